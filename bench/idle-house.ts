/** A Holdfast in this process, on a bus of its own, and the way to see a backup through it. */
import type { Configuration } from '../infra/config.ts'
import { type House, type HouseOptions, openHouse } from '../test/services/house.ts'
import { idleKinds } from './idle-drivers.ts'

export interface BenchHouse {
  house: House
  /** Asks for these sources in one tick; resolves when every report is there. Throws where a backup was not simply done. */
  backUp(sources: readonly string[]): Promise<void>
}

export interface Size {
  sources: number
  hosts: number
  concurrency: number
}

/** So many sources spread over so many hosts, each with a root of its own, and drivers that do nothing. */
export function openIdleHouse(directory: string, { sources, hosts, concurrency }: Size): Promise<BenchHouse> {
  const names = Array.from({ length: hosts }, (_, index) => `host${index}`)
  const nothing: Pick<Configuration['sources'][string], 'kind' | 'options'> = { kind: 'nothing', options: {} }
  return openBenchHouse({
    directory,
    hosts: names,
    concurrency,
    // As shipped: what is measured here must not be a test's haste.
    ackWait: 30_000,
    kinds: idleKinds,
    sources: Object.fromEntries(
      Array.from({ length: sources }, (_, index) => [`source${index}`, { ...nothing, host: names[index % hosts] ?? 'local' }]),
    ),
    vaults: { nowhere: { kind: 'nothing', options: {} } },
    // Nothing goes while we measure: removing is a matter of disks.
    plans: { often: { keep: { last: 1000 }, vaults: ['nowhere'] } },
  })
}

export async function openBenchHouse(options: HouseOptions): Promise<BenchHouse> {
  const house = await openHouse(options)
  return { house, backUp: sources => backUp(house, sources) }
}

async function backUp(house: House, sources: readonly string[]): Promise<void> {
  const { connection, prefix } = house.cell
  const only = sources.length === 1 ? sources[0] : '*'
  const reports = connection.subscribe(`${prefix}.report.done.*.${only}.>`, { max: sources.length })
  await connection.flush()
  await house.tick({ sources: [...sources] })
  const outcomes = new Set<string>()
  for await (const report of reports) outcomes.add(/"outcome":"(\w+)"/.exec(report.string())?.[1] ?? 'none')
  if ([...outcomes].join() !== 'done') throw new Error(`backups were not simply done: ${[...outcomes].join(', ')}`)
}
