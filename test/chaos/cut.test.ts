import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { events } from '../../bus/events.ts'
import type { AnyFunction } from '../../bus/function.ts'
import { TICK } from '../../bus/function.ts'
import { functions } from '../../functions/index.ts'
import { HoldfastError } from '../../infra/errors.ts'
import type { Tools } from '../../infra/tools.ts'
import { type Directory, makeDirectory } from '../services/directory.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'
import { doomedCell, doomedFunctions } from './doomed.ts'
import { countFacts, expectWholeRun, heard, leftovers, once, settled, tick, until } from './proof.ts'
import { openWire, type Wire } from './proxy.ts'
import { openWorker, type Worker } from './running.ts'
import { makeScene, type Scene } from './scene.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 6 })

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

interface Watch {
  /** Called before the handler; what it throws is what it fails with. */
  begins(signal: AbortSignal): Promise<void> | void
  /** Called when the handler has ended, whatever came of it. */
  ends?(): void
}

function watched(fn: AnyFunction<Tools>, { begins, ends = () => {} }: Watch): AnyFunction<Tools> {
  if (fn.on === TICK) return fn
  const begun: typeof fn.handle = async (data, context) => {
    await begins(context.signal)
    return fn.handle(data, context)
  }
  const handle: typeof fn.handle = (data, context) => begun(data, context).finally(ends)
  return { ...fn, handle }
}

const exporting = functions.filter(({ name }) => name === 'export')
const others = functions.filter(({ name }) => name !== 'export')

interface Play {
  scene: Scene
  wire: Wire
  /** Serves everything but export. */
  rest: Worker
  /** What happened, in order. */
  order: string[]
  /** Lets the first worker's handler go on, which does not listen to its signal, and resolves when it has ended. */
  goOn(): Promise<void>
  /** The first worker: exports across the wire, which is cut at the point. */
  first: Worker
  /** Another one, which exports too. */
  second(begins?: () => Promise<void>): Promise<void>
}

/** A run whose export is begun by a worker that is cut off at the point. */
async function play(at: string, act: (play: Play) => Promise<void>, fail: () => void = () => {}): Promise<void> {
  const prefix = at.replaceAll(/[^a-z0-9]+/g, '-')
  const directory = join(home.path, prefix)
  await mkdir(directory)
  await using workers = new AsyncDisposableStack()
  const open = async (...given: Parameters<typeof openWorker>) => {
    const worker = await openWorker(...given)
    workers.defer(worker.stop)
    return worker
  }
  const scene = await makeScene(directory, { prefix })
  const wire = workers.use(await openWire(server.port))
  const order: string[] = []
  const [struck, gate, ended] = [promise(), promise(), promise()]
  const strike = async () => {
    wire.cut()
    struck.resolve()
    if (!at.startsWith('publishing')) await gate.promise
  }
  const doom = { point: { step: 'export', at }, strike }
  const attend = (signal: AbortSignal) => signal.addEventListener('abort', () => order.push('the first is aborted'))
  const failing = exporting.map(fn => watched(fn, { begins: fail }))
  const first = await open({ url: wire.url }, scene.configuration, {
    functions: doomedFunctions(failing, doom).map(fn => watched(fn, { begins: attend, ends: ended.resolve })),
    change: cell => doomedCell(cell, doom),
  })
  workers.defer(gate.resolve)
  const rest = await open(server, scene.configuration, { functions: others })
  const second: Play['second'] = async (hear = async () => {}) => {
    const begins = async () => {
      order.push('the second begins')
      await hear()
    }
    await open(server, scene.configuration, { functions: exporting.map(fn => watched(fn, { begins })) })
  }
  const goOn = () => {
    gate.resolve()
    return ended.promise
  }
  await tick(rest.cell, { sources: ['docs'] })
  await struck.promise
  await act({ scene, wire, rest, order, first, second, goOn })
}

function promise() {
  return Promise.withResolvers<void>()
}

/** The wire is whole again, and the first worker's handler ends as if it had never been cut off. */
async function expectSilence({ wire, first, rest, goOn }: Play): Promise<void> {
  wire.heal()
  await goOn()
  await until('what it said has arrived', async () => {
    await first.cell.connection.flush()
    return true
  })
  await settled(rest)
  expect(wire.sent()).not.toMatch(/HPUB \S+\.export\.(done|failed)|\+ACK|-NAK|\+TERM/)
  // A beat whose renewal was answered right before the cut may still arrive; those after it would hide the message from others.
  expect(wire.sent().split('+WPI').length - 1).toBeLessThanOrEqual(1)
}

requires('nats-server', 'rsync')('a worker that is cut off from the bus for longer than its lease', () => {
  describe.concurrent('stops before another one begins, and says nothing any more', () => {
    test.each(['start', 'before rename .partial-', 'after rename .partial-', 'end'])('cut off at %s', at =>
      play(at, async playing => {
        const { scene, order, rest, second } = playing
        await second()
        const report = await heard(rest, events.report.done, 'docs')
        expect(order).toEqual(['the first is aborted', 'the second begins'])
        await expectSilence(playing)
        await expectWholeRun(rest, scene, report)
      }),
    )

    test('what it was about to say arrives late, and is not said twice', () =>
      play('publishing export.done', async ({ scene, rest, second, wire, order }) => {
        await second()
        const report = await heard(rest, events.report.done, 'docs')
        wire.heal()
        await until('it has arrived', async () => wire.sent().includes('export.done') || undefined)
        expect(order).toEqual(['the first is aborted', 'the second begins'])
        await settled(rest)
        await expectWholeRun(rest, scene, report)
      }))

    test('or arrives while the other one works, which then adopts it', () =>
      play(
        'publishing export.failed',
        async ({ scene, rest, second, wire }) => {
          await second(async () => {
            wire.heal()
            await heard(rest, events.export.failed, 'docs')
            // Whoever worked longer than the server waits looks before it speaks.
            await sleep(2500)
          })
          const report = await heard(rest, events.report.done, 'docs')
          expect(report).toMatchObject({ outcome: 'failed', ended: 'export.failed', error: { message: 'the disk is gone' } })
          await settled(rest)
          const said = ['plan.due', 'snapshot.done', 'export.failed', 'release.done', 'report.done']
          expect(await countFacts(rest, 'docs')).toEqual(once(said))
          expect(await rest.cell.run.get('docs')).toBeUndefined()
          expect(await leftovers(scene)).toEqual([])
          const names = await readdir(join(scene.directory, 'backups'), { recursive: true })
          expect(names.filter(name => !name.startsWith('2020'))).toEqual([])
        },
        () => {
          throw new HoldfastError('the disk is gone', { retryable: false })
        },
      ))
  })
})
