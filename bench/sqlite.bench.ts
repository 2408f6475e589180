/** `sqlite` under constant writes against `.backup` of the same database at rest, and what that costs the writer. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { capture, forget } from './capture.ts'
import { median, percentile, type Row, seconds, sideBySide } from './measure.ts'
import { diskPlace } from './place.ts'
import { scaled } from './scale.ts'
import { startWriter } from './writer.ts'

export const name = 'sqlite: capture of a database of 1 GB in WAL mode while it is written every 5 ms; the peer has it to itself'

/** Longer than any copy takes that ends at all. */
const LIMIT = 120_000

export async function run(): Promise<Row[]> {
  await using place = await diskPlace()
  const database = join(place.path, 'notes.sqlite')
  await makeDatabase(database, scaled(2_000_000))
  const waits: number[] = []
  let ended = 0
  const ours = async () => {
    const writer = await startWriter(database)
    const took = await seconds(() => limited(capture({ kind: 'sqlite', options: { path: database }, root: place.path })))
    ended++
    waits.push(...(await writer.stop()))
    await forget({ root: place.path })
    return took
  }
  const contest = { ours, peer: () => peerSeconds(database, join(place.path, 'peer.sqlite')) }
  await sideBySide({ ...contest, rounds: 1 })
  const figures = await sideBySide({ ...contest, rounds: 5 })
  const alone = await waitsAlone(database)
  return [
    { claim: 'capture under writes against .backup at rest', ...figures, unit: 's', limit: { atMost: 1.2 } },
    waitRow('a write meanwhile, 99th percentile; the peer writes alone', percentile(waits, 0.99), percentile(alone, 0.99)),
    {
      claim: 'a write meanwhile, median',
      ours: median(waits),
      peer: median(alone),
      ratio: median(waits) / median(alone),
      unit: 'ms',
    },
    { claim: 'captures that ended, of 6', ours: ended, unit: '', limit: { atLeast: 6 } },
  ]
}

function waitRow(claim: string, ours: number, peer: number): Row {
  return { claim, ours, peer, ratio: ours / peer, unit: 'ms', limit: { atMost: 50, of: 'ours' } }
}

/** Rows as programs have them: some text, a time, an index. 500 bytes each. */
async function makeDatabase(path: string, rows: number): Promise<void> {
  const script = [
    'PRAGMA journal_mode=WAL;',
    'CREATE TABLE entries (id INTEGER PRIMARY KEY, at INTEGER, title TEXT, body BLOB);',
    'CREATE TABLE journal (id INTEGER PRIMARY KEY, at INTEGER, text TEXT);',
    `INSERT INTO entries SELECT value, value * 1000, 'entry ' || value, randomblob(450) FROM generate_series(1, ${rows});`,
    'CREATE INDEX entries_at ON entries (at);',
    'PRAGMA wal_checkpoint(TRUNCATE);',
  ]
  await execa('sqlite3', [path], { input: script.join('\n') })
  await execa('sync')
}

async function peerSeconds(database: string, copy: string): Promise<number> {
  const took = await seconds(() => execa('sqlite3', [database, `.backup ${copy}`]))
  await rm(copy)
  return took
}

async function waitsAlone(database: string): Promise<number[]> {
  const writer = await startWriter(database)
  await sleep(scaled(5000))
  return writer.stop()
}

async function limited<Result>(work: Promise<Result>): Promise<Result> {
  const limit = sleep(LIMIT, undefined, { ref: false }).then(() => Promise.reject(new Error('the capture does not end')))
  return Promise.race([work, limit])
}
