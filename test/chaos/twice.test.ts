import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Cell } from '../../bus/cell.ts'
import { startClock } from '../../bus/clock.ts'
import { parseBackupId } from '../../infra/layout.ts'
import { makeDirectory } from '../services/directory.ts'
import { subjects } from '../services/house.ts'
import { startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'
import { countFacts, once, settled, until, wholeRun } from './proof.ts'
import { openWorker, type Worker } from './running.ts'
import { makeScene } from './scene.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Every source is due once a minute, each at a second of its own: so a slot comes every four seconds, and no run meets the next. */
const seconds = Array.from({ length: 15 }, (_, index) => index * 4)
const plans = Object.fromEntries(
  seconds.map(second => [`at-${second}`, { schedule: ['* * * * *'], stagger: { local: second * 1000 }, keep: { last: 9 } }]),
)

function sourcesOf(directory: string) {
  const options = { paths: [join(directory, 'data', 'docs')], exclude: [], require: [], optional: [], level: 3, rsyncable: false }
  return Object.fromEntries(seconds.map(second => [`docs-${second}`, { kind: 'files', plans: [`at-${second}`], options }]))
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
})
