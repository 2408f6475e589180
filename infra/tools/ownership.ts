/** Who owns a file and what they may do with it, so that what is put back looks like what was there. */
import { HoldfastError, messageOf } from '../errors.ts'
import type { Host } from '../hosts/host.ts'

export interface Ownership {
  /** `1000:1000` */
  owner: string
  /** Octal: `640` */
  mode: string
}

/** Of what is at the path, following links; undefined where there is nothing. */
export async function ownership(host: Host, path: string): Promise<Ownership | undefined> {
  if (!(await host.stat(path))) return undefined
  const { stdout } = await host.run(['stat', '-L', '-c', '%u:%g %a', '--', path])
  const [owner = '', mode = ''] = stdout.trim().split(' ')
  return { owner, mode }
}

/** Gives a file an owner and a mode. Fails where the login may not. */
export async function own(host: Host, path: string, wanted: Ownership): Promise<void> {
  const found = await ownership(host, path)
  if (found?.owner !== wanted.owner) await changeOwner(host, path, wanted.owner)
  // After the owner: changing that clears the set-id bits.
  await host.run(['chmod', wanted.mode, '--', path])
}

/** The path with links resolved; its last part may be missing. */
export async function realPath(host: Host, path: string): Promise<string> {
  const { stdout } = await host.run(['readlink', '-m', '--', path])
  return stdout.replace(/\n$/, '')
}

async function changeOwner(host: Host, path: string, owner: string): Promise<void> {
  await host.run(['chown', owner, '--', path]).catch((error: unknown) => {
    throw new HoldfastError(`${path} cannot be given to ${owner}: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: 'Run Holdfast as root, or restore to another place and put it there by hand.',
    })
  })
}
