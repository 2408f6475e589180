/** rsync, as vaults use it: named files of one directory go into another, and only what differs travels. */
import { posix } from 'node:path'
import { CommandFailed, codeOf, HoldfastError, InvalidInput } from '../errors.ts'
import type { Argv, Host } from '../hosts/host.ts'

export interface Basis {
  /** Where files of the same names lie, on the far file system. They are only read. */
  directory: string
  /** `same`: files of one size are known to hold the same bytes and are linked. `similar`: what both have in common is taken from there. */
  files: 'same' | 'similar'
}

export interface CopyFiles {
  from: string
  /** Exists. The file that is being written bears its final name, so that a killed copy can serve as basis of the next. */
  to: string
  /** Relative to both directories. */
  names: readonly string[]
  basis?: Basis | undefined
  signal: AbortSignal
  /** Bytes of this call so far. */
  progress?: (bytes: number) => void
}

/** Bytes that had to travel, and bytes that the basis had. Linked files are in neither. */
export interface Travelled {
  literal: number
  matched: number
}

/** The far end has no room for it. */
export class NoSpace extends HoldfastError {
  override name = 'NoSpace'
}

/** Files arrive with mode 0600, directories with 0700; holes stay holes. What is not named does not travel. */
export async function copyFiles(host: Host, { from, to, names, basis, signal, progress }: CopyFiles): Promise<Travelled> {
  const [source, target] = [await host.resolve(from), await host.resolve(to)]
  const argv: Argv = ['rsync', ...flags, ...(basis ? basisFlags(basis) : []), '--', `${source}/`, `${target}/`]
  const input = names.map(name => `./${plainName(name)}\0`).join('')
  const onStdout = (line: string) => {
    const bytes = /^\s*(\d+)\s+\d+%/.exec(line)?.[1]
    if (bytes) progress?.(Number(bytes))
  }
  try {
    const { stdout } = await host.run(argv, { input, signal, onStdout })
    return { literal: statistic(stdout, 'Literal data'), matched: statistic(stdout, 'Matched data') }
  } catch (error) {
    throw explained(error, target)
  }
}

/** Brings a tree to the disk: every file and every directory of it. Works with every rsync, unlike its own --fsync (3.2.4). */
export async function syncTree(host: Host, directory: string, signal: AbortSignal): Promise<void> {
  const root = await host.resolve(directory)
  await host.pipe([{ argv: ['find', root, '-print0'] }, { argv: ['xargs', '-0', 'sync', '--'] }], { signal })
}

/** Full disks and quotas, whoever met them. */
export function isNoSpace(error: unknown): boolean {
  if (error instanceof NoSpace) return true
  const code = error instanceof Error ? (codeOf(error) ?? codeOf(error.cause)) : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') return true
  return error instanceof CommandFailed && /No space left on device|Disk quota exceeded/.test(error.outcome.stderr)
}

const flags = [
  '--inplace',
  '--sparse',
  '--perms',
  '--chmod=F600,D700',
  '--no-whole-file',
  '--from0',
  '--files-from=-',
  '--info=progress2',
  '--no-human-readable',
  '--stats',
]

/** Sizes and times never decide that files are alike: the caller knows it, or every block is compared. */
function basisFlags({ directory, files }: Basis): string[] {
  return files === 'same' ? ['--size-only', `--link-dest=${directory}`] : ['--ignore-times', `--copy-dest=${directory}`]
}

/** rsync reads a meaning into `/./`, and nobody needs other detours. */
function plainName(name: string): string {
  if (posix.normalize(name) === name && !name.startsWith('/') && !name.startsWith('../') && !name.includes('\0')) return name
  throw new InvalidInput(`${JSON.stringify(name)} is no plain relative name of a file`)
}

function statistic(stdout: string, name: string): number {
  return Number(new RegExp(`^${name}: (\\d+) bytes$`, 'm').exec(stdout)?.[1] ?? 0)
}

function explained(error: unknown, target: string): unknown {
  if (!(error instanceof CommandFailed)) return error
  if (isNoSpace(error)) {
    return new NoSpace(`${target}: no space left`, {
      cause: error,
      hint: 'Free some space there, or let retention keep fewer copies.',
    })
  }
  if (/Read-only file system/.test(error.outcome.stderr)) {
    return new HoldfastError(`${target}: the file system is mounted read-only`, {
      cause: error,
      hint: 'Look into the kernel log for why, then mount it writable.',
    })
  }
  return error
}
