/** Real backups of next to nothing: what the programs cost that are started for each. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchHouse, openBenchHouse } from './idle-house.ts'
import { median, type Row, seconds } from './measure.ts'
import { memoryPlace } from './place.ts'
import { scaled } from './scale.ts'

/** `files` sources of two small files, verified, copied to an rsync vault and reported. */
export async function tinyBackups(): Promise<Row> {
  await using place = await memoryPlace()
  const names = Array.from({ length: scaled(60, 6) }, (_, index) => `tiny${index}`)
  const { house, backUp } = await openTinyHouse(place.path, names)
  await backUp(names)
  const rates: number[] = []
  for (let round = 0; round < 3; round++) {
    await sleep(1100)
    rates.push(names.length / (await seconds(() => backUp(names))))
  }
  await house.stop()
  return { claim: 'tiny files sources a second: tar, zstd, rsync', ours: median(rates), unit: '/s', limit: { atLeast: 5 } }
}

async function openTinyHouse(directory: string, names: readonly string[]): Promise<BenchHouse> {
  const data = join(directory, 'data')
  for (const name of names) {
    await mkdir(join(data, name), { recursive: true })
    await writeFile(join(data, name, 'notes.txt'), `what ${name} has to say\n`.repeat(20))
    await writeFile(join(data, name, 'list.csv'), 'a;b;c\n'.repeat(200))
  }
  await mkdir(join(directory, 'vault'))
  const source = (name: string) => ({
    kind: 'files',
    options: { paths: [join(data, name)], optional: [], exclude: [], require: [], rsyncable: false, level: 3 },
  })
  return openBenchHouse({
    directory,
    concurrency: 4,
    ackWait: 30_000,
    sources: Object.fromEntries(names.map(name => [name, source(name)])),
    vaults: { shelf: { kind: 'rsync', options: { path: join(directory, 'vault') } } },
    plans: { often: { keep: { last: 1000 }, vaults: ['shelf'] } },
  })
}
