/** The `sqlite3` program: scripts on stdin, errors in words. */
import { type ErrorDetails, HoldfastError, InvalidInput, messageOf } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { remembered } from './remembered.ts'

export interface SessionOptions {
  signal?: AbortSignal
  /** Milliseconds to wait for somebody else's lock. */
  busyTimeout?: number
}

export interface Session {
  stdout: string
  stderr: string
  /** False where at least one statement failed. */
  ok: boolean
}

const INSTALL = 'Install it: apt-get install sqlite3'

/** Runs a script read-only. `database` is an absolute path or a `file:` URI. Failed statements are in the answer, not thrown. */
export async function session(
  host: Host,
  database: string,
  script: readonly string[],
  options: SessionOptions = {},
): Promise<Session> {
  const { signal, busyTimeout = 0 } = options
  const { stdout, stderr, exitCode } = await host.run(['sqlite3', '-init', '/dev/null', '-batch', '-readonly', database], {
    input: ['.bail on', `.timeout ${busyTimeout}`, ...script, ''].join('\n'),
    okCodes: [0, 1],
    ...(signal && { signal }),
  })
  return { stdout, stderr: stderr.trim(), ok: exitCode === 0 }
}

/** The same; a failed statement throws what `explain` makes of it. Returns the lines of stdout. */
export async function query(
  host: Host,
  database: string,
  script: readonly string[],
  options: SessionOptions = {},
): Promise<string[]> {
  const { stdout, stderr, ok } = await session(host, database, script, options)
  if (!ok) throw explain(database, stderr)
  return stdout.split('\n').filter(line => line !== '')
}

/** Runs a script that may write: for copies of our own alone. */
export async function change(host: Host, database: string, script: readonly string[], signal: AbortSignal): Promise<void> {
  await host.run(['sqlite3', '-init', '/dev/null', '-batch', database], { input: ['.bail on', ...script, ''].join('\n'), signal })
}

/** `3.40.1` */
export const version: (host: Host) => Promise<string> = remembered(askVersion)

async function askVersion(host: Host): Promise<string> {
  try {
    const { stdout } = await host.run(['sqlite3', '--version'])
    return stdout.split(' ')[0] ?? ''
  } catch (error) {
    throw new HoldfastError(`sqlite3 does not run on ${host.name}: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: INSTALL,
    })
  }
}

/** Whether a version is at least that old: `newer('3.40.1', 3, 30)`. */
export function atLeast(found: string, major: number, minor: number): boolean {
  const [foundMajor = 0, foundMinor = 0] = found.split('.').map(Number)
  return foundMajor > major || (foundMajor === major && foundMinor >= minor)
}

/** A path as an argument of a dot command: double quotes with C escapes. */
export function argument(path: string): string {
  return `"${path.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`
}

/** A string as SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name of a table as SQL. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A file nobody writes to, as a URI that makes SQLite leave no file beside it. */
export function immutable(path: string): string {
  return `file:${path.split('/').map(encodeURIComponent).join('/')}?immutable=1`
}

interface Known extends ErrorDetails {
  pattern: RegExp
  text: string
}

const known: Known[] = [
  {
    pattern: /database is locked|database table is locked|\(5\)$/m,
    text: 'is locked by another program',
    hint: 'A program holds it exclusively. Let it end its transaction, raise `busyTimeout`, or do without `PRAGMA locking_mode=EXCLUSIVE`.',
    retryable: true,
  },
  {
    pattern: /file is not a database|\(26\)$/m,
    text: 'is not a SQLite database, or it is encrypted',
    hint: 'Check `path`. Encrypted databases (SQLCipher, SEE) have to be exported by their own program, and that file protected.',
    retryable: false,
  },
  {
    pattern: /malformed|\(11\)$/m,
    text: 'is corrupt',
    hint: 'Run `PRAGMA integrity_check` on it, and restore the newest backup that was verified.',
    retryable: false,
  },
  {
    pattern: /disk is full|\(13\)$/m,
    text: 'cannot be copied: the disk is full',
    hint: 'Make room where backups are written.',
    retryable: true,
  },
  {
    pattern: /readonly database/,
    text: 'was left in the middle of a transaction and needs to be recovered',
    hint: 'Start the program it belongs to, or open it once with `sqlite3` as its owner, then try again.',
    retryable: true,
  },
  {
    pattern: /unable to open|authorization denied|Permission denied/i,
    text: 'cannot be opened',
    hint: 'Holdfast has to be able to read it and, in WAL mode, to write to its directory (the -shm file). Run it as root or as the owner.',
    retryable: false,
  },
]

/** What SQLite's complaint about a database means. */
export function explain(database: string, stderr: string): HoldfastError {
  const lines = stderr.split('\n').slice(-5).join('\n')
  const found = known.find(({ pattern }) => pattern.test(stderr))
  if (!found) return new HoldfastError(`sqlite3 could not read ${database}: ${lines}`)
  const { text, hint, retryable } = found
  const message = `${database} ${text}: ${lines}`
  return retryable ? new HoldfastError(message, { ...(hint && { hint }) }) : new InvalidInput(message, { ...(hint && { hint }) })
}
