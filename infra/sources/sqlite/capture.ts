/** Copies a live database in one read transaction, and watches what that costs its program. */
import { setTimeout as wait } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { argument, atLeast, explain, literal, session, version } from '../../tools/sqlite.ts'
import type { Progress } from '../source.ts'
import { COUNTING, parseRows, type Rows } from './check.ts'

export interface Capture {
  host: Host
  /** Absolute, links resolved: SQLite keeps the -wal beside the file itself. */
  database: string
  /** An empty file, 0600. */
  copy: string
  method: 'backup' | 'vacuum'
  /** Where the counting statements may lie for a moment; undefined: rows are not counted. */
  counting: string | undefined
  busyTimeout: number
  /** Bytes the -wal may grow by. */
  walLimit: number
  expected: number
  signal: AbortSignal
  progress(progress: Progress): void
  warn(message: string): void
}

export interface CaptureResult {
  /** When the transaction began, by the host's clock. */
  from: Date
  to: Date
  rows: Rows | undefined
  wal: { peak: number; growth: number }
}

const COPIED = 'copied'
const POLL_MS = 250

/** Ends whatever the writers do, unless the -wal outgrows its limit: then it throws, to be tried again. */
export async function capture(work: Capture): Promise<CaptureResult> {
  const began = new Date()
  const script = work.method === 'vacuum' ? vacuumScript(work) : backupScript(work, atLeast(await version(work.host), 3, 30))
  const { result, wal } = await watched(work, signal =>
    session(work.host, work.database, script, { signal, busyTimeout: work.busyTimeout }),
  )
  const lines = result.stdout.split('\n')
  if (!lines.includes(COPIED)) throw explain(work.database, result.stderr)
  if (!result.ok)
    work.warn(`${work.database}: rows of some tables could not be counted: ${result.stderr.split('\n').slice(0, 3).join('; ')}`)
  await work.host.run(['sync', work.copy], { signal: work.signal })
  const moment = new Date(lines[0] ?? '')
  const times = work.method === 'vacuum' ? { from: began, to: new Date() } : { from: moment, to: moment }
  return { ...times, wal, rows: work.counting ? parseRows(lines.slice(lines.indexOf(COPIED) + 1)) : undefined }
}

/**
 * `.backup` copies a hundred pages at a time and starts over when somebody has written between two of them. On a connection that
 * is inside a read transaction nobody's write is seen, so it never does. The copy is synced once, afterwards.
 */
function backupScript({ copy, counting }: Capture, async: boolean): string[] {
  return [
    'BEGIN;',
    "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM (SELECT count(*) FROM sqlite_master);",
    `.backup ${async ? '--async ' : ''}main ${argument(copy)}`,
    `.print ${COPIED}`,
    ...(counting ? ['.bail off', `.output ${argument(counting)}`, COUNTING, '.output', `.read ${argument(counting)}`] : []),
    'COMMIT;',
  ]
}

function vacuumScript({ copy }: Capture): string[] {
  return [`VACUUM INTO ${literal(copy)};`, `.print ${COPIED}`]
}

async function watched<Result>(work: Capture, run: (signal: AbortSignal) => Promise<Result>) {
  const stop = new AbortController()
  const done = new AbortController()
  const wal = { before: await walSize(work), peak: 0 }
  const watching = watchWal(work, wal, done.signal).catch((error: unknown) => stop.abort(error))
  try {
    const result = await run(AbortSignal.any([work.signal, stop.signal]))
    return { result, wal: { peak: wal.peak, growth: Math.max(0, wal.peak - wal.before) } }
  } finally {
    done.abort()
    await watching
  }
}

async function watchWal(work: Capture, wal: { before: number; peak: number }, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    wal.peak = Math.max(wal.peak, await walSize(work))
    if (wal.peak - wal.before > work.walLimit) throw outgrown(work, wal.peak - wal.before)
    work.progress({ bytes: (await work.host.stat(work.copy))?.size ?? 0, total: work.expected })
    await wait(POLL_MS, undefined, { signal: done }).catch(() => undefined)
  }
}

async function walSize({ host, database }: Capture): Promise<number> {
  return (await host.stat(`${database}-wal`))?.size ?? 0
}

function outgrown({ database, walLimit }: Capture, growth: number): HoldfastError {
  return new HoldfastError(`${database}-wal grew by ${growth} bytes while the database was copied; \`walLimit\` is ${walLimit}`, {
    hint: 'The copy was given up so that the disk does not fill. Back up when less is written, or raise `walLimit`.',
  })
}
