import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Cell } from '../../bus/cell.ts'
import { startClock } from '../../bus/clock.ts'
import { type AnyFunction, TICK } from '../../bus/function.ts'
import { functions } from '../../functions/index.ts'
import { parseBackupId } from '../../infra/layout.ts'
import type { Tools } from '../../infra/tools.ts'
import { makeDirectory } from '../services/directory.ts'
import { subjects } from '../services/house.ts'
import { startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'
import { countFacts, once, settled, tick, until, wholeRun } from './proof.ts'
import { openWorker, type Worker } from './running.ts'
import { makeScene } from './scene.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Every source is due once a minute, each at a second of its own: so a slot comes every four seconds, and no run meets the next. */
const seconds = Array.from({ length: 15 }, (_, index) => index * 4)
const plans = Object.fromEntries(
  seconds.map(second => [`at-${second}`, { schedule: ['* * * * *'], stagger: { local: second * 1000 }, keep: { last: 9 } }]),
)

function sourcesOf(directory: string, planOf = (second: number) => `at-${second}`) {
  const options = { paths: [join(directory, 'data', 'docs')], exclude: [], require: [], optional: [], level: 3, rsyncable: false }
  return Object.fromEntries(seconds.map(second => [`docs-${second}`, { kind: 'files', plans: [planOf(second)], options }]))
}

/** The backups of which a fact was said, oldest first. */
async function said(cell: Cell, type: string) {
  const ids = Object.keys(await subjects(cell, `${cell.prefix}.${type}.>`)).map(subject => subject.split('.').at(-1) ?? '')
  return ids
    .map(id => ({ id, source: parseBackupId(id)?.source ?? '', at: parseBackupId(id)?.at.getTime() ?? 0 }))
    .sort((a, b) => a.at - b.at)
}

async function ticks({ cell }: Worker): Promise<number> {
  const jsm = await cell.connection.jetstreamManager()
  return (await jsm.streams.info('TICK')).state.messages
}

requires('nats-server', 'rsync')('two workers and two clocks on one bus', () => {
  test('back up every slot exactly once', async () => {
    await using stack = new AsyncDisposableStack()
    const server = await startNats()
    stack.defer(server.stop)
    const directory = stack.use(await makeDirectory()).path
    const scene = await makeScene(directory, { sources: sourcesOf(directory), plans })
    const [one, two] = [await openWorker(server, scene.configuration), await openWorker(server, scene.configuration)]
    stack.defer(one.stop)
    stack.defer(two.stop)
    const began = Date.now()
    const clocks = [one, two].map(({ cell }) => startClock({ nc: cell.connection, prefix: 'backup', every: 1000, log: cell.log }))
    await until('four slots have been reported', async () => (await said(one.cell, 'report.done')).length >= 4 || undefined)
    for (const clock of clocks) await clock.stop()
    await settled(one)
    expect(await ticks(one)).toBeLessThanOrEqual(Math.ceil((Date.now() - began) / 1000) + 1)

    const due = await said(one.cell, 'plan.due')
    expect(await said(one.cell, 'report.done')).toEqual(due)
    const first = due[0]?.at ?? 0
    expect(due.map(({ at }) => at)).toEqual(due.map((_, index) => first + index * 4000))
    for (const { source, at } of due) {
      expect(source).toBe(`docs-${(at / 1000) % 60}`)
      expect(await countFacts(one, source)).toEqual(once(wholeRun))
    }
  })

  test('plan a slot once, however many ticks come at the same moment', async () => {
    await using stack = new AsyncDisposableStack()
    const { open, sources } = await planning(stack)
    const [first] = await Promise.all([open(plan), open(plan), open(plan), open(plan)])
    await Promise.all(Array.from({ length: 12 }, () => tick(first.cell, {})))
    await settled(first)
    for (const source of sources) expect(await countFacts(first, source)).toEqual(once(['plan.due', 'plan.missed']))
  })

  test('plan a slot once where one looks, another plans, and the one goes on', async () => {
    await using stack = new AsyncDisposableStack()
    const { open, sources } = await planning(stack)
    const [looked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const slow = plan.map(fn => looking(fn, looked.resolve, gate.promise))
    const first = await open(slow)
    stack.defer(gate.resolve)
    await tick(first.cell, {})
    await looked.promise
    const second = await open(plan)
    await tick(second.cell, {})
    await until(
      'the second has planned',
      async () => (await said(second.cell, 'plan.due')).length === sources.length || undefined,
    )
    gate.resolve()
    await settled(second)
    for (const source of sources) expect(await countFacts(second, source)).toEqual(once(['plan.due', 'plan.missed']))
  })
})

const plan = functions.filter(({ name }) => name === 'plan')

/** A cell in which every source has a slot that is due, and others that were missed. */
async function planning(stack: AsyncDisposableStack) {
  const server = await startNats()
  stack.defer(server.stop)
  const directory = stack.use(await makeDirectory()).path
  const nightly = { schedule: ['* * * * *'], keep: { last: 9 } }
  const sources = sourcesOf(directory, () => 'nightly')
  const scene = await makeScene(directory, { sources, plans: { nightly } })
  const open = async (given: typeof functions) => {
    const worker = await openWorker(server, scene.configuration, { functions: given })
    stack.defer(worker.stop)
    return worker
  }
  const { cell } = await open([])
  const since = new Date(Date.now() - 5 * 60_000).toISOString()
  for (const source of Object.keys(sources)) await cell.planned.put(`${source}.nightly`, since)
  return { open, sources: Object.keys(sources) }
}

/** The same function; what it looked up first it gets to know late. */
function looking(fn: AnyFunction<Tools>, looked: () => void, gate: Promise<void>): AnyFunction<Tools> {
  if (fn.on !== TICK) return fn
  const handle: typeof fn.handle = (ticked, context) => {
    const find: typeof context.find = async (event, concern) => {
      const found = await context.find(event, concern)
      looked()
      await gate
      return found
    }
    return fn.handle(ticked, { ...context, find })
  }
  return { ...fn, handle }
}
