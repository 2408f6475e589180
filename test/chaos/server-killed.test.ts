import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { functions } from '../../functions/index.ts'
import { type Directory, makeDirectory } from '../services/directory.ts'
import { openPlace } from '../services/embedded.ts'
import { startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'
import { doomedCell, doomedFunctions } from './doomed.ts'
import { askRestore, expectDone, expectRestored } from './killing.ts'
import type { Point } from './point.ts'
import { tick } from './proof.ts'
import { type Address, openWorker } from './running.ts'
import { makeScene } from './scene.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 6 })

/** Milliseconds without a server: shorter and longer than a handler may go on without proof that the message is its own. */
const [short, long] = [300, 4000]

const points = [
  { step: 'plan', at: 'after put due.', away: short },
  { step: 'snapshot', at: 'after create run', away: short },
  { step: 'export', at: 'before rename .partial-', away: short },
  { step: 'export', at: 'before rename .partial-', away: long },
  { step: 'export', at: 'published export.done', away: short },
  { step: 'release', at: 'before forget run', away: short },
  { step: 'verify', at: 'before write verified.json', away: short },
  { step: 'verify', at: 'end', away: long },
  { step: 'replicate', at: 'after rename .partial-', away: short },
  { step: 'prune', at: 'after rename backups/2020', away: short },
  { step: 'report', at: 'after write backups/', away: short },
  { step: 'restore', at: 'after rename docs.before-', away: short },
  { step: 'restore', at: 'after rename docs.before-', away: long },
]

let home: Directory
beforeAll(async () => {
  home = await makeDirectory()
})
afterAll(() => home.remove())

/** A run, or a run and a restore, on a bus that is struck once. */
async function struck(address: Address, name: string, point: Point, strike: () => Promise<void>): Promise<void> {
  const directory = join(home.path, name)
  await mkdir(directory)
  const scene = await makeScene(directory)
  let strikes = 0
  const doom = { point, strike: async () => (strikes++ === 0 ? strike() : undefined) }
  const worker = await openWorker(address, scene.configuration, {
    functions: doomedFunctions(functions, doom),
    change: cell => doomedCell(cell, doom),
  })
  try {
    await tick(worker.cell, { sources: ['docs'] })
    if (point.step === 'restore') await askRestore(worker, scene, 'docs')
    await (point.step === 'restore' ? expectRestored(worker, scene, 'docs') : expectDone(worker, scene, 'docs'))
    expect(strikes).toBeGreaterThan(0)
  } finally {
    await worker.stop()
  }
}

requires('nats-server', 'rsync')('the server is killed with -9 in mid-step', () => {
  describe.concurrent('and comes back', () => {
    test.each(points)('$step: $at, $away ms later', async ({ away, ...point }) => {
      const server = await startNats()
      const strike = async () => {
        await server.kill9()
        await sleep(away)
        await server.restart()
      }
      await struck(server, `${point.step}-${points.findIndex(({ at }) => at === point.at)}-${away}`, point, strike).finally(
        server.stop,
      )
    })

    test('the private one by itself, while its worker lives', async () => {
      const place = await openPlace()
      try {
        const bus = await place.start()
        const first = bus.pid
        const strike = async () => void process.kill(bus.pid, 'SIGKILL')
        await struck(bus, 'private', { step: 'export', at: 'before rename .partial-' }, strike)
        expect(bus.pid).not.toBe(first)
      } finally {
        await place.close()
      }
    })
  })
})
