/** GNU tar, told to keep everything a file has: names of any bytes, holes, hard links, owners, ACLs and extended attributes. */
import type { Stage } from '../hosts/host.ts'
import { nullSeparated } from './byte-names.ts'

/** `--verbose` output must not depend on the machine's language and time zone, nor names on its character set. */
const env = { LC_ALL: 'C', TZ: 'UTC0' }
export const attributes = ['--acls', '--xattrs', '--xattrs-include=*', '--numeric-owner']
const described = ['--verbose', '--verbose', '--full-time', '--numeric-owner']
const namesFromStdin = ['--null', '--no-unquote', '--verbatim-files-from', '--files-from=-']
/** As much as a pipe holds: fewer turns between tar and zstd. */
const BLOCKS = 128
const RECORD = BLOCKS * 512
const tar = ['tar', `--blocking-factor=${BLOCKS}`, '--quoting-style=escape'] as const
/** Records between two reports of progress: 5 MB. */
const reports = ['--checkpoint=80', '--checkpoint-action=echo=%u', '--totals']

/** What goes into an archive. */
export interface Selection {
  /** Byte names of absolute paths. */
  roots: readonly string[]
  /** Patterns: `/…` anchored, others at any depth. */
  exclude: readonly string[]
}

type OnStderr = NonNullable<Stage['onStderr']>

/** Members have no leading slash. */
export function memberName(path: string): string {
  return path.slice(1)
}

/** The stdin of `create`, `measure` and `select`, and of `extract` and `compare` of a part. */
export function memberNames(paths: readonly string[]): Uint8Array {
  return nullSeparated(paths.map(memberName))
}

/** Writes an archive to stdout and its listing to a file. Exit code 1 and stderr tell of files that could not be kept as they are. */
export function create({ exclude }: Selection, listing: string, onStderr: OnStderr): Stage {
  const kinds = ['--create', '--file=-', '--format=posix', '--sparse', ...attributes, ...described, `--index-file=${listing}`]
  return { argv: [...tar, ...kinds, '--ignore-failed-read', ...reports, ...source(exclude)], env, onStderr, okCodes: [0, 1] }
}

/** Reads no file, and says on stderr how long the archive would be. */
export function measure({ exclude }: Selection, onStderr: OnStderr): Stage {
  const kinds = ['--create', '--file=/dev/null', '--format=posix', '--sparse', '--ignore-failed-read', '--totals']
  return { argv: [...tar, ...kinds, ...source(exclude)], env, onStderr, okCodes: [0, 1] }
}

/** Names on stdout, one a line, those of the selected paths themselves that the excludes leave over. */
export function select({ exclude }: Selection): Stage {
  const kinds = ['--create', '--file=/dev/null', '--format=posix', '--no-recursion', '--ignore-failed-read', '--verbose']
  return { argv: [...tar, ...kinds, ...source(exclude)], env, okCodes: [0, 1] }
}

/** Lists the archive on stdin as `create` did, but for the mark behind the mode: see `withoutMark`. */
export function list(onStderr: OnStderr): Stage {
  return { argv: [...tar, '--list', '--file=-', ...described, ...reports], env, onStderr }
}

/** A listing without the mark (`+` ACL, `*` attributes) that `create` alone puts behind the mode. */
export function withoutMark(listing: string): Stage {
  return { argv: ['sed', '--regexp-extended', 's/^(.{10})[ +*.]/\\1/', listing], env }
}

/** The same, of a listing in memory. */
export function unmarked(listing: Uint8Array): Uint8Array {
  const lines = Buffer.from(listing).toString('latin1').split('\n')
  return Buffer.from(lines.map(line => line.replace(/^(.{10})[ +*.]/s, '$1')).join('\n'), 'latin1')
}

/** Unpacks a file, all of it or the members named on stdin. */
export function extract(file: string, directory: string, part: { named: boolean; asRoot: boolean }, onStderr: OnStderr): Stage {
  const owner = part.asRoot ? ['--same-owner'] : ['--no-same-owner']
  const kept = ['--preserve-permissions', '--warning=no-timestamp', ...attributes, ...owner]
  return {
    argv: [...tar, '--extract', ...from(file, directory), ...kept, ...reports, ...(part.named ? namesFromStdin : [])],
    env,
    onStderr,
  }
}

/** Compares a file with what it was unpacked to; differences on stdout and exit code 1. */
export function compare(file: string, directory: string, part: { named: boolean }, onStderr: OnStderr): Stage {
  const argv = [
    ...tar,
    '--compare',
    ...from(file, directory),
    '--numeric-owner',
    ...reports,
    ...(part.named ? namesFromStdin : []),
  ] as const
  return { argv, env, onStderr, okCodes: [0, 1] }
}

/** A pattern that matches one path only, anchored. */
export function literally(path: string): string {
  return path.replace(/[\\*?[]/g, '\\$&')
}

/** Bytes of an archive by its records. */
export function bytesOfRecords(records: number): number {
  return records * RECORD
}

function from(file: string, directory: string): string[] {
  return ['--zstd', `--file=${file}`, '--force-local', `--directory=${directory}`]
}

function source(exclude: readonly string[]): string[] {
  const anchored = exclude.filter(pattern => pattern.startsWith('/')).map(pattern => `--exclude=${pattern.slice(1)}`)
  const anywhere = exclude.filter(pattern => !pattern.startsWith('/')).map(pattern => `--exclude=${pattern}`)
  const modes = ['--wildcards', '--wildcards-match-slash']
  return ['--directory=/', ...modes, '--anchored', ...anchored, '--no-anchored', ...anywhere, ...namesFromStdin]
}
