import { chmod, link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { EventKind } from '../../bus/event.ts'
import { events } from '../../bus/events.ts'
import { type SeenFact, type Visitor, visit } from '../../bus/visitor.ts'
import { startInstance } from '../../cli/instance.ts'
import { createLogger } from '../../infra/log.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { configurationOf, subjects } from '../services/house.ts'
import { requires } from '../services/requires.ts'
import { committed, kill, startWriter, wholeRows } from './rows.ts'
import { only, openScene, portrait, source, vault } from './scene.ts'

async function makeTree(tree: string): Promise<void> {
  await mkdir(join(tree, 'sub', 'empty'), { recursive: true })
  for (const name of ['letter.txt', 'sub/ünï 💾', '-rf', "it's", 'new line'])
    await writeFile(join(tree, name), `this is ${name}`.repeat(50))
  await link(join(tree, 'letter.txt'), join(tree, 'sub', 'hard'))
  await symlink('../letter.txt', join(tree, 'sub', 'soft'))
  await chmod(join(tree, 'letter.txt'), 0o640)
  await chmod(join(tree, "it's"), 0o4711)
  await chmod(join(tree, 'sub', 'empty'), 0o1770)
}

interface Place {
  tree: string
  database: string
  visitor: Visitor
  stop(): Promise<void>
  /** The first fact of one of these events about a source, from a sequence on. */
  hear(from: number, source: string, ...kinds: EventKind[]): Promise<SeenFact>
}

/** Holdfast as `up` runs it, on a bus of its own, with a tree and a database that it does not know yet. */
async function openPlace(): Promise<Place> {
  const directory = await temporaryDirectory()
  const [tree, database] = [join(directory, 'tree'), join(directory, 'rows.sqlite')]
  await makeTree(tree)
  const configuration = configurationOf({
    directory,
    sources: { docs: source('files', { paths: [tree] }), rows: source('sqlite', { path: database }) },
    vaults: { nas: vault('rsync', { path: join(directory, 'vault') }) },
  })
  const log = createLogger({ level: process.env.LOG ?? 'silent' })
  const stateDirectory = join(directory, 'state')
  const instance = await startInstance({ configuration, stateDirectory, log, reread: async () => configuration })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= instance.stop()
    return stopped
  }
  onTestFinished(stop)
  const visitor = visit(instance.cell.connection, 'backup')
  return {
    ...{ tree, database, visitor, stop },
    async hear(from, name, ...kinds) {
      const types = kinds.map(({ type }) => type)
      for await (const seen of visitor.facts(from, AbortSignal.timeout(25_000)))
        if (seen.data.source === name && types.includes(seen.event.type)) return seen
      throw new Error(`${types.join(' or ')} of ${name} was not said`)
    },
  }
}

const Planned = z.object({ planned: z.array(z.object({ source: z.string() })) })
const { done, failed } = events.restore

async function backUp({ visitor, hear }: Place, name: string): Promise<{ directory: string; id: string }> {
  const from = await visitor.next()
  await visitor.ask('run', { sources: [name] }, Planned)
  const report = events.report.done.schema.parse((await hear(from, name, events.report.done)).data)
  expect(report).toMatchObject({ outcome: 'done', verified: true, warnings: { count: 0 } })
  return { directory: report.directory ?? '', id: report.id }
}

async function restore({ visitor, hear }: Place, name: string, id: string): Promise<void> {
  const from = await visitor.next()
  await visitor.ask('restore', { id }, z.unknown())
  expect((await hear(from, name, done, failed)).data).not.toHaveProperty('error')
}

async function destroy(database: string): Promise<void> {
  for (const end of ['', '-wal', '-shm']) await rm(`${database}${end}`, { force: true })
}

/** The commands of RESTORE.md under a heading, or all of them. */
async function commands(directory: string, heading = ''): Promise<string> {
  const text = await readFile(join(directory, 'RESTORE.md'), 'utf8')
  const found = /```(?:ba)?sh\n(.*?)```/s.exec(text.slice(text.indexOf(heading)))?.[1]
  if (!found) throw new Error(`no commands under ${heading} in ${text}`)
  return found
}

requires(
  'nats-server',
  'rsync',
  'sqlite3',
  'tar',
  'zstd',
)('a run from the tick to the restore', () => {
  test('a tick becomes a reported backup of files and of a database, and each step says so once', async () => {
    const directory = await temporaryDirectory()
    const notes = join(directory, 'notes.sqlite')
    const database = new DatabaseSync(notes)
    database.exec("PRAGMA journal_mode=WAL; CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('one')")
    database.close()
    const sources = { docs: source('files', { paths: [join(directory, 'data')] }), notes: source('sqlite', { path: notes }) }
    const scene = await openScene({ directory, sources })
    const reports = await scene.backUp('docs', 'notes')
    expect(reports.map(({ outcome, verified, warnings }) => ({ outcome, verified, warnings: warnings.count }))).toEqual([
      { outcome: 'done', verified: true, warnings: 0 },
      { outcome: 'done', verified: true, warnings: 0 },
    ])
    const said = await subjects(scene.cell)
    expect(Object.values(said).every(count => count === 1)).toBe(true)
    const steps = [
      'plan.due',
      'snapshot.done',
      'export.done',
      'release.done',
      'verify.done',
      'replicate.copied',
      'replicate.done',
    ]
    const all = [...steps, 'prune.done', 'report.done'].sort()
    for (const name of ['docs', 'notes'])
      expect(
        Object.keys(said)
          .filter(subject => subject.includes(`.${name}.`))
          .map(typeOf)
          .sort(),
      ).toEqual(all)
    for (const { directory: place, copies = [] } of reports) {
      const report = await readFile(join(place ?? '', 'report.md'), 'utf8')
      expect(report).toContain('nas: 1 kept of 1')
      expect(await readFile(join(only(copies).directory, 'report.md'), 'utf8')).toBe(report)
    }
  })

  test('a database under constant writes and a tree: backed up, destroyed, restored by the bus and then by hand', async () => {
    const place = await openPlace()
    const { tree, database, stop } = place
    const writer = await startWriter(database)
    const before = committed(database)
    const docs = await backUp(place, 'docs')
    const rows = await backUp(place, 'rows')
    await sleep(50)
    const after = committed(database)
    expect(after).toBeGreaterThan(before)
    await kill(writer)

    await destroy(database)
    await restore(place, 'rows', rows.id)
    const count = wholeRows(database)
    expect(count).toBeGreaterThanOrEqual(before)
    expect(count).toBeLessThan(after)

    const picture = await portrait(tree)
    await rm(tree, { recursive: true })
    await restore(place, 'docs', docs.id)
    expect(await portrait(tree)).toEqual(picture)

    await stop()
    await destroy(database)
    await writeFile(join(tree, 'letter.txt'), 'spoiled')
    await execa('bash', ['-c', await commands(rows.directory)], { cwd: rows.directory })
    await execa('bash', ['-c', await commands(docs.directory, '## Restore in place')], { cwd: docs.directory })
    expect(wholeRows(database)).toBe(count)
    expect(await portrait(tree)).toEqual(picture)
    expect(await readFile(join(`${tree}.before-restore`, 'letter.txt'), 'utf8')).toBe('spoiled')
  })
})

function typeOf(subject: string): string {
  return subject.split('.').slice(1, 3).join('.')
}
