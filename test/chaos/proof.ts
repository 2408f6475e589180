/** What must be true after a run that was disturbed. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { NatsError } from 'nats'
import { expect } from 'vitest'
import type { Cell } from '../../bus/cell.ts'
import { type DataOf, decode, type EventKind } from '../../bus/event.ts'
import { type Reported, TickData } from '../../bus/events.ts'
import { streamNames, tickSubject } from '../../bus/streams.ts'
import { locate } from '../../infra/find.ts'
import { placesOf } from '../../infra/places.ts'
import { recover, recoveryOf } from '../../infra/recover.ts'
import type { Tools } from '../../infra/tools.ts'
import { subjects } from '../services/house.ts'
import type { Worker } from './running.ts'
import type { Scene } from './scene.ts'

/** Every fact that a run without trouble leaves behind. */
export const wholeRun = [
  'plan.due',
  'snapshot.done',
  'export.done',
  'release.done',
  'verify.done',
  'replicate.copied',
  'replicate.done',
  'prune.done',
  'report.done',
]

export async function tick(cell: Cell, data: TickData): Promise<void> {
  await cell.exchange.store(tickSubject(cell.prefix), JSON.stringify(TickData.parse(data)))
}

/** Looks until it is there; the bus may be away meanwhile. The limit only ends what would never come. */
export async function until<Found>(what: string, look: () => Promise<Found | undefined>, seconds = 60): Promise<Found> {
  let trouble: unknown
  for (const limit = Date.now() + seconds * 1000; Date.now() < limit; await sleep(50)) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      if (!(error instanceof NatsError)) throw error
      trouble = error
    }
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: trouble })
}

/** The first stored fact of an event for a source. */
export async function heard<E extends EventKind>({ cell }: Worker, event: E, source: string): Promise<DataOf<E>> {
  return await until(`${event.type} of ${source}`, async () => {
    const [subject] = Object.keys(await subjects(cell, `${cell.prefix}.${event.type}.*.${source}.>`))
    if (subject === undefined) return undefined
    const message = await cell.connection.request(`$JS.API.DIRECT.GET.${cell.stream}.${subject}`)
    return decode(cell.prefix, event, subject, message.data).data as DataOf<E>
  })
}

/** Waits until no message is unread or in anybody's hands: what would be said twice has been said by then. */
export async function settled({ cell }: Worker): Promise<void> {
  const jsm = await cell.connection.jetstreamManager()
  const names = streamNames(cell.prefix)
  await until('every message is dealt with', async () => {
    const lists = await Promise.all([names.facts, names.ticks].map(name => jsm.consumers.list(name).next()))
    return lists.flat().every(({ num_pending, num_ack_pending }) => num_pending + num_ack_pending === 0) || undefined
  })
}

/** How often each fact of a source was said, by its type. */
export async function countFacts({ cell }: Worker, source: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const [subject, count] of Object.entries(await subjects(cell, `${cell.prefix}.*.*.*.${source}.>`))) {
    const type = subject
      .slice(cell.prefix.length + 1)
      .split('.', 2)
      .join('.')
    counts[type] = (counts[type] ?? 0) + count
  }
  return counts
}

export const once = (types: readonly string[]) => Object.fromEntries(types.map(type => [type, 1]))

/** A run that ended well, as if nothing had happened. */
export async function expectWholeRun(
  worker: Worker,
  scene: Scene,
  report: Reported,
  more: readonly string[] = [],
): Promise<void> {
  const { source, outcome, warnings, error } = report
  expect({ outcome, warnings: warnings.first, error }).toEqual({ outcome: 'done', warnings: [], error: undefined })
  expect(await countFacts(worker, source)).toEqual(once([...wholeRun, ...more]))
  expect(await worker.cell.run.get(source)).toBeUndefined()
  expect(await leftovers(scene)).toEqual([])
  await expectRestores(worker.tools, scene, report, source === 'notes' ? undefined : 'nas')
}

/** Every name of something that was not finished, wherever backups, copies and data lie. */
export async function leftovers({ directory }: Scene): Promise<string[]> {
  const places = await Promise.all(['backups', 'vault', 'data'].map(name => readdir(join(directory, name), { recursive: true })))
  return places.flat().filter(name => /partial-|removing-|holdfast-(?!(vault|host)\.json)|\.(before|failed|between)-/.test(name))
}

/** The backup brings back what was there when it was made. */
async function expectRestores(tools: Tools, scene: Scene, { id, source }: Reported, vault: string | undefined): Promise<void> {
  const to = join(scene.directory, 'restored', vault ?? 'root', source)
  const located = await locate(placesOf(tools, vault), id)
  const token = `proof-${vault ?? 'root'}-${source}`
  const idle = { signal: new AbortController().signal, progress: () => {}, warn: () => {} }
  await recover({
    ...recoveryOf(tools, source),
    state: join(scene.directory, 'journals'),
    located,
    to,
    keepAside: false,
    token,
    ...idle,
  })
  if (source === 'notes') expect(rowsOf(to)).toEqual(rowsOf(join(scene.original, 'notes.sqlite')))
  else await expectSameTree(join(to, scene.data, 'docs'), join(scene.original, 'docs'))
}

export async function expectSameTree(one: string, other: string): Promise<void> {
  const { stdout } = await execa('diff', ['-r', one, other], { reject: false })
  expect(stdout).toBe('')
}

export function rowsOf(path: string): unknown[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return database.prepare('SELECT text, hex(photo) FROM notes').all()
  } finally {
    database.close()
  }
}
