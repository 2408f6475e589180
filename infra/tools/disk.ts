/** Directories and full disks, as everything that writes copies meets them. */
import { join } from 'node:path'
import { CommandFailed, codeOf, HoldfastError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'

/** The far end has no room for it. */
export class NoSpace extends HoldfastError {
  override name = 'NoSpace'
}

/** Full disks and quotas, whoever met them. */
export function isNoSpace(error: unknown): boolean {
  if (error instanceof NoSpace) return true
  const code = error instanceof Error ? (codeOf(error) ?? codeOf(error.cause)) : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') return true
  return error instanceof CommandFailed && /No space left on device|Disk quota exceeded/.test(error.outcome.stderr)
}

/** What a foreign tool's failure to write means, with what a person can do; other errors as they are. */
export function diskError(error: unknown, path: string): unknown {
  if (!(error instanceof CommandFailed)) return error
  if (isNoSpace(error)) {
    return new NoSpace(`${path}: no space left`, {
      cause: error,
      hint: 'Free some space there, or let retention keep fewer copies.',
    })
  }
  if (/Read-only file system/.test(error.outcome.stderr)) {
    return new HoldfastError(`${path}: the file system is mounted read-only`, {
      cause: error,
      hint: 'Look into the kernel log for why, then mount it writable.',
    })
  }
  return error
}

/** One directory in one that has to be there: what has vanished is not made again. One that exists is fine. */
export async function makeOne(host: Host, path: string): Promise<void> {
  if (await host.stat(path)) return
  const directory = await host.resolve(path)
  try {
    await host.run(['mkdir', '-m', '0700', '--', directory])
  } catch (error) {
    // Somebody else may have made it in the meantime.
    if (!(await host.stat(directory))) throw diskError(error, directory)
  }
}

/** Directories one in the other below one that has to be there, to last. */
export async function makeBelow(host: Host, root: string, names: readonly string[]): Promise<void> {
  let outer = await host.resolve(root)
  for (const name of names) {
    const inner = join(outer, name)
    if (!(await host.stat(inner))) {
      await makeOne(host, inner)
      await host.run(['sync', '--', outer])
    }
    outer = inner
  }
}

/** Brings a tree to the disk: every file and every directory of it. */
export async function syncTree(host: Host, directory: string, signal: AbortSignal): Promise<void> {
  const root = await host.resolve(directory)
  await host.pipe([{ argv: ['find', root, '-print0'] }, { argv: ['xargs', '-0', 'sync', '--'] }], { signal })
}
