/** Directories and full disks, as everything that writes copies meets them. */
import { dirname, join } from 'node:path'
import { CommandFailed, codeOf, HoldfastError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { argumentBatches } from './arguments.ts'

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
  if (!(await host.stat(path))) await host.makeDirectory(path, { parents: false })
}

/** Directories one in the other below one that has to be there, to last. */
export async function makeBelow(host: Host, root: string, names: readonly string[]): Promise<void> {
  let directory = root
  for (const name of names) {
    directory = join(directory, name)
    await makeOne(host, directory)
  }
}

/** Brings files of a directory to the disk, and the directories that they lie in. */
export async function syncFiles(host: Host, directory: string, names: readonly string[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (names.length === 0) return
  const root = await host.resolve(directory)
  const around = new Set(names.flatMap(above))
  for (const batch of argumentBatches([...new Set([...names, ...around])].map(name => join(root, name))))
    await host.run(['sync', '--', ...batch], { signal })
}

/** `a/b/c` → `a/b`, `a`, `.` */
function above(name: string): string[] {
  const outer = dirname(name)
  return outer === '.' ? ['.'] : [outer, ...above(outer)]
}
