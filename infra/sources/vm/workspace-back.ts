/** Puts a workspace back into the running guest, by SSH, with what was there kept beside it. */
import { join } from 'node:path'
import { z } from 'zod'
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { explainSsh, type Login, quoted, quotedPath, sshCommand } from '../../tools/ssh.ts'
import type { Lifecycle, RestoreWork } from '../source.ts'
import type { Details } from './details.ts'
import { Workspace } from './options.ts'
import { loginOf } from './workspace.ts'

type Work = RestoreWork<unknown>

const Known = z.object({ workspace: Workspace.optional() })

interface Address {
  login: Promise<Login>
  /** In the guest. */
  path: string
  artifact: string
}

/** Where the guest answers. Throws where nobody says it. */
export function addressOf(work: Work, { workspace }: Details): Address {
  const { data } = Known.safeParse(work.options)
  if (data?.workspace && workspace) {
    return { login: loginOf(work.host, data.workspace), path: workspace.path, artifact: workspace.artifact }
  }
  throw new InvalidInput(`nobody says where the guest of ${work.id} answers by SSH`, {
    hint: 'Name its `workspace` in the configuration, or unpack it on the host with --to DIRECTORY.',
  })
}

/** Nothing is stopped for it: it is exchanged inside the guest. */
export function workspaceBack(work: Work, details: Details): Lifecycle {
  const exchange = async (script: string, artifact?: string) => {
    const { login, path } = addressOf(work, details)
    const remote = `sh -c ${quoted(script)} sh ${quotedPath(path)} ${quoted(work.token)}`
    await send(work, await login, remote, artifact)
    return path
  }
  return {
    stop: async () => undefined,
    async start(restored) {
      if (!restored) {
        await exchange(takeBack)
        return { checks: [], proven: false }
      }
      const path = await exchange(putIn, addressOf(work, details).artifact)
      work.warn(`what was in ${path} of the guest is kept beside it: ${path}.before-${work.token}`)
      return { checks: [{ name: 'workspace', result: `${path} is back in the guest` }], proven: true }
    },
  }
}

/** Unpacked beside it first. Done again after a cut, it finds what was moved aside, and moves that no second time. */
const putIn = [
  'set -e; t=$1; n=$t.holdfast-$2; b=$t.before-$2',
  'rm -rf "$n"; mkdir -p "$n"; tar -x -f - -C "$n"',
  'if [ -e "$t" ]; then if [ -e "$b" ]; then rm -rf "$n"; exit 0; fi; mv "$t" "$b"; fi; mv "$n" "$t"',
].join('; ')

const takeBack = 't=$1; b=$t.before-$2; rm -rf "$t.holdfast-$2"; if [ -e "$b" ]; then rm -rf "$t"; mv "$b" "$t"; fi'

async function send(
  { host, directory, signal }: Work,
  login: Login,
  remote: string,
  artifact: string | undefined,
): Promise<void> {
  const ssh = { argv: sshCommand(login, remote) }
  try {
    if (artifact === undefined) await host.run(ssh.argv, { signal })
    else
      await host.pipe([{ argv: ['gzip', '--decompress', '--stdout', '--', await fileIn(host, directory, artifact)] }, ssh], {
        signal,
      })
  } catch (error) {
    throw explainSsh(error, login)
  }
}

async function fileIn(host: Host, directory: string, name: string): Promise<string> {
  return join(await host.resolve(directory), name)
}
