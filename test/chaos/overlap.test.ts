import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Fact } from '../../bus/event.ts'
import { events } from '../../bus/events.ts'
import { store } from '../../bus/facts.ts'
import { streamNames } from '../../bus/streams.ts'
import { functions } from '../../functions/index.ts'
import { type Directory, makeDirectory } from '../services/directory.ts'
import { subjects } from '../services/house.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'
import { doomedFunctions } from './doomed.ts'
import { askRestore } from './killing.ts'
import { countFacts, expectSameTree, expectWholeRun, heard, once, settled, tick, until, wholeRun } from './proof.ts'
import { openWorker, type Worker, type WorkOptions } from './running.ts'
import { makeScene, type Scene } from './scene.ts'

vi.setConfig({ testTimeout: 90_000 })

let server: NatsServer
let home: Directory
beforeAll(async () => {
  server = await startNats()
  home = await makeDirectory()
})
afterAll(async () => {
  await server.stop()
  await home.remove()
})

interface Stage {
  scene: Scene
  /** Works from now until the test ends. */
  work(options?: WorkOptions): Promise<Worker>
}

async function onStage(prefix: string, act: (stage: Stage) => Promise<void>): Promise<void> {
  const directory = join(home.path, prefix)
  await mkdir(directory)
  const scene = await makeScene(directory, { prefix })
  await using stack = new AsyncDisposableStack()
  await act({
    scene,
    async work(options) {
      const worker = await openWorker(server, scene.configuration, options)
      stack.defer(worker.stop)
      return worker
    },
  })
}

const only = (...names: string[]) => ({ functions: functions.filter(({ name }) => names.includes(name)) })
/** A backup of the tree that nobody ever made. */
const ghost = { id: 'docs-20200202T020000Z', source: 'docs', host: 'local' }

/** Until another second has begun: ids differ by it. */
async function nextSecond(): Promise<void> {
  await sleep(1000 - (Date.now() % 1000) + 5)
}

async function dues({ cell }: Worker): Promise<string[]> {
  return Object.keys(await subjects(cell, `${cell.prefix}.plan.due.*.docs.>`)).map(subject => subject.split('.').at(-1) ?? '')
}

requires('nats-server', 'rsync')('what comes while a source is busy', () => {
  describe.concurrent('waits, is refused or is skipped', () => {
    test('a due is refused while a run holds the source', () =>
      onStage('refused', async ({ scene, work }) => {
        const gate = Promise.withResolvers<void>()
        const doom = { point: { step: 'export', at: 'start' }, strike: () => gate.promise }
        const worker = await work({ functions: doomedFunctions(functions, doom) })
        await tick(worker.cell, { sources: ['docs'] })
        await heard(worker, events.snapshot.done, 'docs')
        await nextSecond()
        await tick(worker.cell, { sources: ['docs'], reason: 'again' })
        const rejected = await heard(worker, events.plan.rejected, 'docs').finally(gate.resolve)
        const [first = ''] = await dues(worker)
        expect(rejected.error.message).toBe(`docs is being backed up: ${first} has not ended`)
        const report = await heard(worker, events.report.done, 'docs')
        await settled(worker)
        await expectWholeRun(worker, scene, report, ['plan.rejected'])
      }))

    test('a due is refused while a restore holds the source', () =>
      onStage('restoring', async ({ scene, work }) => {
        const gate = Promise.withResolvers<void>()
        const doom = { point: { step: 'restore', at: 'after create run' }, strike: () => gate.promise }
        const worker = await work({ functions: doomedFunctions(functions, doom) })
        await tick(worker.cell, { sources: ['docs'] })
        await askRestore(worker, scene, 'docs')
        await until(
          'the restore holds it',
          async () => (await worker.cell.run.get('docs'))?.value.endsWith(' request-1') || undefined,
        )
        await nextSecond()
        await tick(worker.cell, { sources: ['docs'] })
        const { error } = await heard(worker, events.plan.rejected, 'docs').finally(gate.resolve)
        expect(error.message).toContain('request-1 has not ended')
        await heard(worker, events.restore.done, 'docs')
        await settled(worker)
        expect(await countFacts(worker, 'docs')).toEqual(once([...wholeRun, 'ask.restore', 'plan.rejected', 'restore.done']))
        expect(await worker.cell.run.get('docs')).toBeUndefined()
        await expectSameTree(join(scene.data, 'docs'), join(scene.original, 'docs'))
      }))

    test('a backup that was called failed before it was done is taken away by whoever gets its message next', () =>
      onStage('called-failed', async ({ scene, work }) => {
        const doom = { point: { step: 'export', at: 'end' }, strike: () => callFailed() }
        const worker = await work({ functions: doomedFunctions(functions, doom) })
        const callFailed = async () => {
          const { id, source, host, day, root } = await heard(worker, events.snapshot.done, 'docs')
          const error = { name: 'Error', message: 'somebody else gave up', retryable: false }
          await say(worker, events.export.failed({ id, source, host, day, root, error, attempts: 3 }))
          throw new Error('this worker is not heard')
        }
        await tick(worker.cell, { sources: ['docs'] })
        expect(await heard(worker, events.report.done, 'docs')).toMatchObject({ outcome: 'failed', ended: 'export.failed' })
        await settled(worker)
        const names = await readdir(join(scene.directory, 'backups'))
        expect(names).toEqual(['2020-01-01'])
      }))

    test('a due that has not begun is skipped once a newer one is planned', () =>
      onStage('skipped', async ({ work }) => {
        const planner = await work(only('plan'))
        await tick(planner.cell, { sources: ['docs'] })
        await until('the first is planned', async () => (await dues(planner)).length === 1 || undefined)
        await nextSecond()
        await tick(planner.cell, { sources: ['docs'] })
        await until('the second is planned', async () => (await dues(planner)).length === 2 || undefined)
        const [older = '', newer = ''] = (await dues(planner)).sort()
        const worker = await work()
        await until('both have ended', async () => ((await countFacts(worker, 'docs'))['report.done'] ?? 0) === 2 || undefined)
        await settled(worker)
        const skipped = await heard(worker, events.snapshot.skipped, 'docs')
        expect(skipped).toMatchObject({ id: older, skipped: `overtaken by ${newer}` })
        const facts = { ...once([...wholeRun, 'snapshot.skipped']), 'plan.due': 2, 'report.done': 2 }
        expect(await countFacts(worker, 'docs')).toEqual(facts)
        expect(await worker.cell.run.get('docs')).toBeUndefined()
      }))

    test('a hold whose release has settled is cleared by whoever finds it', () =>
      onStage('cleared', async ({ work }) => {
        const worker = await work()
        await say(worker, events.release.done({ ...ghost, released: [] }))
        await worker.cell.run.create('docs', ghost.id)
        await tick(worker.cell, { sources: ['docs'] })
        const report = await heard(worker, events.report.done, 'docs')
        await settled(worker)
        const counts = await countFacts(worker, 'docs')
        expect(counts).toEqual({ ...once(wholeRun), 'release.done': 2 })
        expect(report.outcome).toBe('done')
        expect(await worker.cell.run.get('docs')).toBeUndefined()
      }))

    test('a hold whose release never settles keeps the source, and what is due begins once it does', () =>
      onStage('held', async ({ work }) => {
        const planner = await work(only('plan'))
        await tick(planner.cell, { sources: ['docs'] })
        await until('it is planned', async () => (await dues(planner)).length === 1 || undefined)
        await planner.cell.run.create('docs', ghost.id)
        await nextSecond()
        await tick(planner.cell, { sources: ['docs'] })
        const { error } = await heard(planner, events.plan.rejected, 'docs')
        expect(error.message).toContain(`${ghost.id} has not ended`)
        const worker = await work()
        await until('it was looked at and given back', async () => waited(worker))
        expect((await countFacts(worker, 'docs'))['snapshot.done']).toBeUndefined()
        expect((await worker.cell.run.get('docs'))?.value).toBe(ghost.id)
        await say(worker, events.release.done({ ...ghost, released: [] }))
        const report = await heard(worker, events.report.done, 'docs')
        await settled(worker)
        expect(report.outcome).toBe('done')
        expect(await countFacts(worker, 'docs')).toEqual({ ...once([...wholeRun, 'plan.rejected']), 'release.done': 2 })
        expect(await worker.cell.run.get('docs')).toBeUndefined()
      }))
  })
})

async function say({ cell }: Worker, fact: Fact): Promise<void> {
  await store(cell, fact, [], { speaker: 'test', cause: 'test', time: new Date(), mayStill: () => {} })
}

/** Waiting is counted, so that it is not taken for trying. */
async function waited({ cell }: Worker): Promise<true | undefined> {
  const jsm = await cell.connection.jetstreamManager()
  const { waits } = streamNames(cell.prefix)
  const filter = { subjects_filter: `$KV.${waits}.snapshot-plan-due-local.>` }
  return Object.keys((await jsm.streams.info(`KV_${waits}`, filter)).state.subjects ?? {}).length > 0 || undefined
}
