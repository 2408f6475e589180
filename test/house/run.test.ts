import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { temporaryDirectory } from '../services/directory.ts'
import { events, type House, openHouse, subjects } from '../services/house.ts'

let house: House | undefined
afterEach(async () => {
  await house?.stop()
  house = undefined
})

test('a tick becomes a reported backup of files and of a database, and each step says so once', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'data'))
  await writeFile(join(directory, 'data', 'letter.txt'), 'dear reader')
  const database = new DatabaseSync(join(directory, 'notes.sqlite'))
  database.exec("PRAGMA journal_mode=WAL; CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('one')")
  house = await openHouse({
    directory,
    sources: {
      docs: { kind: 'files', options: { paths: [join(directory, 'data')], exclude: [], require: [], optional: [], level: 3 } },
      notes: {
        kind: 'sqlite',
        options: { path: join(directory, 'notes.sqlite'), method: 'backup', busyTimeout: 5000, walLimit: 1e9, rowCounts: true },
      },
    },
    vaults: { nas: { kind: 'rsync', options: { path: join(directory, 'vault') } } },
  })
  await house.tick({ sources: ['docs', 'notes'], reason: 'first' })
  const reports = await house.hears(events.report.done, 2)
  expect(reports.map(({ outcome, warnings, error }) => ({ outcome, warnings, error }))).toEqual([
    { outcome: 'done', warnings: { count: 0, first: [] } },
    { outcome: 'done', warnings: { count: 0, first: [] } },
  ])
  for (const count of Object.values(await subjects(house.cell))) expect(count).toBe(1)
  console.log(await subjects(house.cell))
  console.log(await readFile(join(reports[0]?.directory ?? '', 'report.md'), 'utf8'))
  database.close()
})
