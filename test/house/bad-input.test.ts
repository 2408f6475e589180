import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { encode, type Fact, subjectOf } from '../../bus/event.ts'
import { events } from '../../bus/events.ts'
import { exportedBackup } from '../functions/facts.ts'
import { openStage } from '../functions/stage.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { subjects } from '../services/house.ts'
import { requires } from '../services/requires.ts'
import { names, only, openScene, type Scene, source } from './scene.ts'

/** Publishes something as a tick, and waits for the answer. */
async function rejection(scene: Scene, bytes: string | Uint8Array) {
  const count = async () => Object.values(await subjects(scene.cell, 'backup.plan.rejected.>')).reduce((a, b) => a + b, 0)
  const before = await count()
  scene.cell.connection.publish('backup.tick', bytes)
  for (const until = Date.now() + 10_000; (await count()) === before && Date.now() < until; ) await sleep(10)
  return (await scene.said(events.plan.rejected)).at(-1)
}

/** Publishes anything on one of our subjects. */
function inject({ cell }: Scene, subject: string, bytes: string | Uint8Array): void {
  cell.connection.publish(subject, bytes)
}

function wire(fact: Fact): Uint8Array {
  return encode(fact, { prefix: 'backup', speaker: 'stranger', cause: 'malice', time: new Date() })
}

requires(
  'nats-server',
  'rsync',
  'tar',
  'zstd',
  'sqlite3',
)('bad input', () => {
  test('ticks that are none are rejected aloud with what they said, and the next good one is a backup', async () => {
    const scene = await openScene()
    const ticks: [bytes: string | Uint8Array, message: string, input: RegExp][] = [
      ['please back up', 'it is not JSON', /^please back up$/],
      [randomBytes(1024 * 1024), '1048576 bytes', /…$/s],
      ['{"sources":["dosc"]}', 'there is no source "dosc"', /^"dosc"$/],
      ['{"sources":["../docs"]}', 'there is no source "../docs"', /^"\.\.\/docs"$/],
      ['{"sources":["docs\\u001b[2J"]}', 'there is no source', /u001b/],
      ['{"source":"docs"}', 'did you mean sources?', /source/],
      ['{"specversion":"1.0","data":{}}', 'as a CloudEvent', /specversion/],
    ]
    for (const [bytes, message, input] of ticks) {
      const said = await rejection(scene, bytes)
      expect(said).toMatchObject({ error: { message: expect.stringContaining(message), retryable: false } })
      expect(said?.input).toMatch(input)
      expect(Buffer.byteLength(said?.input ?? '')).toBeLessThanOrEqual(1024)
    }
    expect(await scene.said(events.plan.due)).toEqual([])
    expect(only(await scene.backUp('docs'))).toMatchObject({ outcome: 'done' })
  })

  test('what is said in our name but is no fact of ours ends as failed, and is never worked on', async () => {
    const scene = await openScene()
    const { exported } = await exportedBackup(await openStage())
    const id = (number: number) => `docs-2026112${number}T020000Z`
    const on = (number: number) => `backup.export.done.local.docs.${id(number)}`
    const fact = (number: number) => events.export.done({ ...exported, id: id(number) })
    const typed = JSON.parse(Buffer.from(wire(fact(1))).toString())
    inject(scene, on(1), JSON.stringify({ ...typed, type: 'backup.verify.done' }))
    inject(scene, on(2), wire(fact(3)))
    inject(scene, on(4), JSON.stringify({ ...typed, data: { ...typed.data, id: id(4), bytes: 'many' } }))
    inject(scene, on(5), 'not even JSON')
    inject(scene, on(6), randomBytes(1024 * 1024))
    const failed = await scene.hears(events.verify.failed, 5)
    expect(failed.map(({ id: of, attempts, error }) => [of, attempts, error.name]).sort()).toEqual(
      [1, 2, 4, 5, 6].map(number => [id(number), 1, 'MalformedFact']),
    )
    const reports = await scene.hears(events.report.done, 5)
    expect(new Set(reports.map(({ outcome, verified }) => `${outcome} ${verified}`))).toEqual(new Set(['failed false']))
    expect(await scene.said(events.verify.done)).toEqual([])
    expect(only(await scene.backUp('docs'))).toMatchObject({ outcome: 'done' })
  })

  test('a fact on a subject that names no backup, and a due of what nobody knows', async () => {
    const scene = await openScene()
    const { exported } = await exportedBackup(await openStage())
    inject(scene, 'backup.plan.due.local.docs.whatever', '{}')
    const unknown = events.plan.due({ ...exported, source: 'dosc', id: 'dosc-20261121T020000Z' })
    inject(scene, subjectOf('backup', unknown), wire(unknown))
    const failed = await scene.hears(events.snapshot.failed, 2)
    expect(failed.map(({ source: of, id, error }) => [of, id, error.name])).toEqual(
      expect.arrayContaining([
        ['docs', undefined, 'MalformedFact'],
        ['dosc', 'dosc-20261121T020000Z', 'InvalidInput'],
      ]),
    )
    expect(only(await scene.hears(events.report.done))).toMatchObject({ source: 'dosc', outcome: 'failed' })
    expect(only(await scene.backUp('docs'))).toMatchObject({ outcome: 'done' })
  })

  test('sources that are missing, are not what they are called or stay locked: each fails with what to do, and nothing is left', async () => {
    const directory = await temporaryDirectory()
    const at = (name: string) => join(directory, name)
    await mkdir(at('data'))
    await writeFile(at('data/letter'), 'dear reader')
    await writeFile(at('picture.sqlite'), randomBytes(8192))
    const locked = new DatabaseSync(at('locked.sqlite'))
    locked.exec('CREATE TABLE t (x); BEGIN EXCLUSIVE')
    onTestFinished(() => locked.close())
    const database = (path: string) => source('sqlite', { path, busyTimeout: '200ms' })
    const scene = await openScene({
      ...{ directory, attempts: 1, concurrency: 2 },
      sources: {
        gone: source('files', { paths: [at('data'), at('missing')] }),
        lost: database(at('lost.sqlite')),
        picture: database(at('picture.sqlite')),
        locked: database(at('locked.sqlite')),
      },
    })
    const reports = await scene.backUp()
    const said = Object.fromEntries(reports.map(({ source: of, outcome, error }) => [of, { outcome, ...error }]))
    const failed = (message: string) => ({
      outcome: 'failed',
      message: expect.stringContaining(message),
      hint: expect.stringMatching(/./),
    })
    expect(said).toMatchObject({
      gone: failed(at('missing')),
      lost: failed(`${at('lost.sqlite')} is missing`),
      picture: failed('not a SQLite database'),
      locked: failed('lock'),
    })
    expect(await names(scene.root)).toEqual([])
    expect(await scene.said(events.export.done)).toEqual([])
  })
})
