/** What the chain costs where the drivers do nothing, what tiny real backups cost, and how small an idle worker is. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openBareChain } from './bare-chain.ts'
import { openIdleHouse } from './idle-house.ts'
import { idleWorker } from './idle-worker.ts'
import { type Row, seconds, sideBySide } from './measure.ts'
import { memoryPlace } from './place.ts'
import { scaled } from './scale.ts'
import { tinyBackups } from './tiny-backups.ts'

export const name = 'the chain: drivers that do nothing, backups on tmpfs; the peer is a bare JetStream chain of as many hops'

export async function run(): Promise<Row[]> {
  // First what starts processes: a process that has grown takes longer to start others.
  const [tiny, idle] = [await tinyBackups(), await idleWorker()]
  return [await latency(), await throughput(), tiny, ...idle]
}

/** An id has a resolution of one second: the same source is not asked for twice within one. */
const SECOND = 1100

/** One backup after the other: what somebody waits for who asks for one. */
async function latency(): Promise<Row> {
  const rounds = scaled(40, 5)
  await using place = await memoryPlace()
  const { house, backUp } = await openIdleHouse(place.path, { sources: 2 * rounds, hosts: 1, concurrency: 4 })
  const bare = await openBareChain(house.cell.connection, 4)
  let next = 0
  const ours = async () => 1000 * (await seconds(() => backUp([`source${next++}`])))
  const peer = async () => 1000 * (await seconds(() => bare.send(1)))
  await sideBySide({ rounds, ours, peer })
  const figures = await sideBySide({ rounds, ours, peer })
  await bare.stop()
  await house.stop()
  return { claim: 'tick to report.done, one at a time', ...figures, unit: 'ms', limit: { atMost: 40, of: 'ours' } }
}

/** Many at once through one process, after a warm-up round; each round has sources of its own, as a night has. */
async function throughput(): Promise<Row> {
  const [count, rounds] = [scaled(1000, 60), 3]
  await using place = await memoryPlace()
  const { house, backUp } = await openIdleHouse(place.path, { sources: (rounds + 1) * count, hosts: 20, concurrency: 3 })
  const bare = await openBareChain(house.cell.connection, 20)
  const names = Object.keys(house.configuration.sources)
  const rate = async (work: () => Promise<void>) => {
    await sleep(SECOND)
    return count / (await seconds(work))
  }
  const contest = { ours: () => rate(() => backUp(names.splice(0, count))), peer: () => rate(() => bare.send(count)) }
  await sideBySide({ ...contest, rounds: 1 })
  const figures = await sideBySide({ ...contest, rounds })
  await bare.stop()
  await house.stop()
  return { claim: `backups a second, ${count} at once`, ...figures, unit: '/s', limit: { atLeast: 300, of: 'ours' } }
}
