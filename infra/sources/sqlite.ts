/** SQLite databases, copied while their programs write. */
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { Duration, Size } from '../duration.ts'
import { HoldfastError, InvalidInput, VerificationFailed } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { ownership, realPath } from '../tools/ownership.ts'
import { change, query, version } from '../tools/sqlite.ts'
import { type CaptureWork, defineSource, type StoredWork, type Work } from './source.ts'
import { capture } from './sqlite/capture.ts'
import { checkIntegrity, foreignKeyViolations, hasHeader } from './sqlite/check.ts'
import { compareForeignKeys, compareRows } from './sqlite/compare.ts'
import { instructions } from './sqlite/instructions.ts'
import { stageDatabase } from './sqlite/stage.ts'

/** Counting reads the database once more inside the transaction, and checking foreign keys once more afterwards. */
const AUTOMATIC_COUNT_BYTES = 4 * 2 ** 30

const Options = z
  .strictObject({
    path: z
      .string()
      .regex(/^(\/|~\/)[^\0]+$/, 'expected an absolute path, or one below ~/')
      .describe('The database file. Its -wal and -shm files belong to it and are not named.'),
    method: z
      .enum(['backup', 'vacuum'])
      .default('backup')
      .describe('backup: a copy of every page. vacuum: VACUUM INTO, a smaller copy without free pages that takes longer.'),
    busyTimeout: Duration.default(60_000).describe('How long to wait for a lock that another program holds. Default 1m.'),
    walLimit: Size.default(4 * 2 ** 30).describe(
      'How much the -wal file may grow while the database is copied; beyond it the copy is given up and tried again. Default 4GiB.',
    ),
    rowCounts: z
      .union([z.boolean(), z.literal('auto')])
      .default('auto')
      .describe(
        'Count the rows of every table in the transaction that copies it, for verify to compare. auto: with method backup, up to 4 GiB.',
      ),
  })
  .refine(({ method, rowCounts }) => !(method === 'vacuum' && rowCounts === true), {
    path: ['rowCounts'],
    message: 'rows can only be counted with method: backup, because VACUUM INTO cannot share a transaction',
  })
type Options = z.output<typeof Options>

/** A restore may know no configuration: then the database goes where it was. */
const Place = z.object({ path: z.string().optional() })

/** What `verify` and `restore` need to know of the database as it was. */
const Details = z.object({
  path: z.string(),
  journalMode: z.string(),
  rows: z.array(z.tuple([z.string(), z.number()])).nullable(),
  foreignKeyViolations: z.number().nullable(),
  file: z.object({ owner: z.string(), mode: z.string() }),
  directory: z.object({ owner: z.string(), mode: z.string() }),
})

export const sqlite = defineSource<Options>({
  kind: 'sqlite',
  summary: 'A SQLite database, copied online in one read transaction; its program goes on writing (in WAL mode without waiting).',
  options: Options,

  async snapshot(work) {
    const { host, root } = work
    const sqlite3 = await version(host)
    const facts = await look(work)
    const { free } = await host.space(root)
    if (free < facts.bytes) {
      throw new HoldfastError(`${facts.database} needs ${facts.bytes} bytes, and ${root} has ${free} free`, {
        hint: 'Make room there, or keep fewer backups.',
      })
    }
    const consistency = { asked: 'application', achieved: 'application' } as const
    return { consistency, expected: facts.bytes, held: null, tools: { sqlite3 } }
  },

  async export(work) {
    const { database, journalMode } = await look(work)
    const artifact = `${work.source}.sqlite`
    const copy = await emptyFile(work.host, work.directory, artifact)
    const { from, to, rows, wal } = await copyDatabase(work, database, copy)
    // VACUUM INTO forgets the mode; what is restored should be what was there.
    if (journalMode === 'wal' && work.options.method === 'vacuum')
      await change(work.host, copy, ['PRAGMA journal_mode=WAL;'], work.signal)
    const violations = rows ? ((await foreignKeyViolations(work.host, copy, work.signal)) ?? null) : null
    if (violations) work.warn(`${database}: ${violations} rows break a foreign key; they are backed up as they are`)
    const place = await placeOf(work.host, database)
    work.signal.throwIfAborted()
    return {
      artifacts: [{ name: artifact }],
      captured: { from, to },
      consistency: work.held.consistency,
      parent: null,
      details: {
        path: database,
        method: work.options.method,
        journalMode,
        rows: rows ?? null,
        foreignKeyViolations: violations,
        wal,
        ...place,
      },
      instructions: instructions({ source: work.source, artifact, database, ...place.file }),
    }
  },

  async verify(work) {
    const path = await artifactOf(work)
    const details = Details.parse(work.manifest.details)
    if (!(await work.host.stat(path))) throw new VerificationFailed(`${path} is missing`)
    if (!(await hasHeader(work.host, path))) throw new VerificationFailed(`${path} does not begin as a SQLite database does`)
    const integrity = await checkIntegrity(work.host, path, work.signal, work.warn)
    return [
      { name: 'integrity_check', result: integrity },
      await compareForeignKeys(work, path, details.foreignKeyViolations),
      await compareRows(work, path, details.rows),
    ]
  },

  async stage(work) {
    const details = Details.parse(work.manifest.details)
    const { host, options, to } = work
    const target = await realPath(host, await host.resolve(to ?? Place.parse(options).path ?? details.path))
    return await stageDatabase(work, {
      artifact: await artifactOf(work),
      target,
      attributes: to === undefined ? details : undefined,
    })
  },
})

/** Opens it once, so that a missing, locked, encrypted or broken database is told apart before anything is copied. */
async function look({ host, options, signal }: Work<Options>): Promise<{ database: string; bytes: number; journalMode: string }> {
  const database = await realPath(host, await host.resolve(options.path))
  const found = await host.stat(database)
  const hint = 'Check `path` in the configuration.'
  if (!found) throw new InvalidInput(`${database} is missing`, { hint })
  if (found.type !== 'file') throw new InvalidInput(`${database} is a ${found.type}, not a database file`, { hint })
  if (found.size === 0) throw new InvalidInput(`${database} is empty: its program has not created the database yet`, { hint })
  if (!(await hasHeader(host, database))) {
    throw new InvalidInput(`${database} is not a SQLite database, or it is encrypted`, {
      hint: `${hint} Encrypted ones are exported by their own program.`,
    })
  }
  const script = ['SELECT count(*) FROM sqlite_master;', 'PRAGMA page_count;', 'PRAGMA page_size;', 'PRAGMA journal_mode;']
  const [, pages, size, journalMode = ''] = await query(host, database, script, { signal, busyTimeout: options.busyTimeout })
  return { database, bytes: Number(pages) * Number(size), journalMode }
}

async function emptyFile(host: Host, directory: string, artifact: string): Promise<string> {
  const copy = join(await host.resolve(directory), artifact)
  await host.remove(`${copy}-journal`)
  await host.write(copy, '')
  return copy
}

async function copyDatabase(work: CaptureWork<Options>, database: string, copy: string) {
  const { method, busyTimeout, walLimit, rowCounts } = work.options
  const { host, signal, progress, warn, held } = work
  const counts = method === 'backup' && (rowCounts === 'auto' ? held.expected <= AUTOMATIC_COUNT_BYTES : rowCounts)
  const counting = counts ? `${copy}.counting` : undefined
  const result = await capture({
    host,
    database,
    copy,
    method,
    counting,
    busyTimeout,
    walLimit,
    expected: held.expected,
    signal,
    progress,
    warn,
  })
  if (counting) await host.remove(counting)
  if (result.wal.growth > walLimit / 4) {
    warn(`${database}-wal grew by ${result.wal.growth} bytes while the database was copied; the copy is given up at ${walLimit}`)
  }
  return result
}

async function artifactOf({ host, directory, manifest }: StoredWork<Options>): Promise<string> {
  return join(await host.resolve(directory), `${manifest.source}.sqlite`)
}

async function placeOf(host: Host, database: string) {
  const [file, directory] = [await ownership(host, database), await ownership(host, dirname(database))]
  if (!file || !directory) throw new HoldfastError(`${database} vanished while it was copied`)
  return { file: { ...file }, directory: { ...directory } }
}
