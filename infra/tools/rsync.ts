/** rsync, as vaults use it: named files of one directory go into another, and only what differs travels. */
import { posix } from 'node:path'
import { InvalidInput } from '../errors.ts'
import type { Argv, Host } from '../hosts/host.ts'
import { diskError } from './disk.ts'

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
    throw diskError(error, target)
  }
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
export function isPlainName(name: string): boolean {
  return posix.normalize(name) === name && !name.startsWith('/') && !name.startsWith('../') && !name.includes('\0')
}

function plainName(name: string): string {
  if (isPlainName(name)) return name
  throw new InvalidInput(`${JSON.stringify(name)} is no plain relative name of a file`)
}

function statistic(stdout: string, name: string): number {
  return Number(new RegExp(`^${name}: (\\d+) bytes$`, 'm').exec(stdout)?.[1] ?? 0)
}
