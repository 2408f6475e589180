/** A directory in the guest, streamed by SSH into an archive of its own. Nothing is written in the guest. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandFailed, HoldfastError, messageOf, VerificationFailed } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { Check } from '../../manifest.ts'
import { parsePrintable, printable } from '../../tools/byte-names.ts'
import { explainSsh, type Login, quotedPath, sshCommand, unanswered } from '../../tools/ssh.ts'
import { type TarMessage, tarMessage } from '../../tools/tar-messages.ts'
import type { Work } from '../source.ts'
import type { Details } from './details.ts'
import type { Workspace } from './options.ts'

/** How long a guest that is booting may take until somebody answers, ms. */
const BOOT_LIMIT = 120_000
const LOOK_AGAIN = 2000

/** What the backup has of a workspace. */
export interface Fetched extends Pick<Details, 'workspace' | 'workspaceProblem'> {
  artifacts: { name: string }[]
}

export type FetchWork = Pick<Work<unknown>, 'host' | 'source' | 'signal' | 'warn'> & {
  directory: string
  options: { workspace?: Workspace | undefined }
}

/** The guest as export finds it: only one that runs can be asked, and one that was just started needs a while. */
export type GuestState = 'running' | 'booting' | 'off'

/** Brings the workspace into the backup's directory. What goes wrong is a warning: the disks are not left out for it. */
export async function fetchWorkspace(work: FetchWork, state: GuestState): Promise<Fetched> {
  const { workspace } = work.options
  if (!workspace) return { artifacts: [], workspace: null }
  const artifact = `${work.source}_workspace.tar.gz`
  try {
    if (state === 'off') throw new HoldfastError('the guest does not run, so nobody can be asked for it')
    await fetchWhole(work, workspace, artifact, state === 'booting' ? BOOT_LIMIT : 0)
    const { path, require } = workspace
    return { artifacts: [{ name: artifact }], workspace: { artifact, path, require } }
  } catch (error) {
    work.signal.throwIfAborted()
    if (!(error instanceof HoldfastError)) throw error
    const problem = `the workspace ${workspace.path} of ${workspace.address} is not in this backup: ${told(error)}`
    work.warn(problem)
    return { artifacts: [], workspace: null, ...(workspace.required && { workspaceProblem: problem }) }
  }
}

/** Reads the archive to its end, and looks for the files without which it is no workspace. */
export async function checkWorkspace(
  host: Host,
  directory: string,
  { workspace, workspaceProblem }: Pick<Details, 'workspace' | 'workspaceProblem'>,
  signal?: AbortSignal,
): Promise<Check[]> {
  // The run has failed for it: the disks are no worse, and what builds on them is not lost with a key that expired.
  if (workspaceProblem !== undefined) return [{ name: 'workspace', result: `REQUIRED AND NOT HERE: ${workspaceProblem}` }]
  if (!workspace) return []
  const { artifact, require } = workspace
  const bytes = await readThrough(host, join(directory, artifact), require, signal)
  const there = require.length ? `, ${require.join(' ')} in it` : ''
  return [{ name: 'workspace', result: `read through, ${bytes} bytes unpacked${there}` }]
}

/** Half an archive is removed by the pipe, one that is not a workspace here. */
async function fetchWhole(work: FetchWork, workspace: Workspace, artifact: string, patience: number): Promise<void> {
  const { host, directory, signal } = work
  const file = join(directory, artifact)
  await host.remove(file)
  try {
    await fetch(work, workspace, file, Date.now() + patience)
    await readThrough(host, file, workspace.require, signal)
  } catch (error) {
    await host.remove(file)
    throw error
  }
}

async function fetch(work: FetchWork, workspace: Workspace, file: string, until: number): Promise<void> {
  const login = await loginOf(work.host, workspace)
  try {
    await stream(work, login, workspace.path, file)
  } catch (error) {
    if (!unanswered(error) || Date.now() >= until) throw explainSsh(error, login)
    await sleep(LOOK_AGAIN, undefined, { signal: work.signal })
    await fetch(work, workspace, file, until)
  }
}

export async function loginOf(host: Host, { identity, knownHosts, ...login }: Workspace): Promise<Login> {
  const file = async (path: string | undefined) => (path === undefined ? undefined : await host.resolve(path))
  return { ...login, identity: await file(identity), knownHosts: await file(knownHosts) }
}

/** Packed on this side: the guest's processors belong to its own work, and all it needs is tar. */
async function stream({ host, signal, warn }: FetchWork, login: Login, path: string, to: string): Promise<void> {
  const remote = `env LC_ALL=C tar --create --file=- --quoting-style=escape --ignore-failed-read -C ${quotedPath(path)} .`
  const argv = sshCommand(login, remote)
  const said: TarMessage[] = []
  const onStderr = (line: string) => void (line.startsWith('tar: ') && said.push(tarMessage(line)))
  const [ssh] = await host.pipe([{ argv, onStderr, okCodes: [0, 1] }, { argv: ['gzip', '--no-name', '--stdout'] }], {
    to,
    signal,
  })
  const files = said.flatMap(message => (message.type === 'changed' || message.type === 'missing' ? [message] : []))
  if (ssh?.exitCode === 1 && files.length === 0)
    throw new CommandFailed({ host: host.name, argv, exitCode: 1, stderr: ssh.stderr })
  for (const { text } of files) warn(`workspace: ${text.replace(/^\/\.\//, '')}`)
}

/** Bytes unpacked. Members are called `./SOUL.md`, which no option can be. */
async function readThrough(host: Host, file: string, require: readonly string[], signal?: AbortSignal): Promise<number> {
  const missing: string[] = []
  let bytes = 0
  const onStderr = (line: string) => {
    const absent = /^tar: \.\/(.*): Not found in archive$/.exec(line)?.[1]
    if (absent !== undefined) missing.push(printable(parsePrintable(absent)))
    const message = tarMessage(line)
    if (message.type === 'total') bytes = message.bytes
  }
  const list = [
    'tar',
    '--list',
    '--file=-',
    '--totals',
    '--no-unquote',
    '--quoting-style=escape',
    '--index-file=/dev/null',
  ] as const
  try {
    await host.pipe(
      [
        { argv: ['gzip', '--decompress', '--stdout', '--', file] },
        { argv: [...list, '--', ...require.map(name => `./${name}`)], onStderr },
      ],
      signal && { signal },
    )
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.outcome.exitCode === 127) throw error
    const why = missing.length ? `it has no ${missing.join(', ')}` : messageOf(error)
    throw new VerificationFailed(`${file} is no whole workspace: ${why}`, { cause: error })
  }
  return bytes
}

function told({ message, hint }: HoldfastError): string {
  return hint === undefined ? message : `${message} (${hint})`
}
