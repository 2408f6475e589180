import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { requires } from '../services/requires.ts'
import { makePlace, type Place } from './holdfast.ts'

const root = join(import.meta.dirname, '..', '..')

requires(
  'nats-server',
  'rsync',
  'sqlite3',
  'tar',
  'zstd',
  'setfacl',
  'setfattr',
  'xz',
)('holdfast start', () => {
  let place: Place
  beforeEach(async () => {
    place = await makePlace()
    await copyFile(join(root, 'holdfast.yaml'), join(place.path, 'holdfast.yaml'))
  })
  afterEach(() => place.remove())

  test('makes the tour, backs it up, and does not hide that it was lost', async () => {
    const first = await place.holdfast(['start', '--once'])
    expect(first).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('Made ') })
    expect(first.stdout).toMatch(/^documents .* verified/m)
    expect(first.stdout).toMatch(/^notes .* verified/m)
    const notes = join(place.path, 'tour', 'notes.sqlite')
    expect(count(notes)).toBeGreaterThanOrEqual(5000)
    for (const end of ['', '-wal', '-shm']) await rm(`${notes}${end}`, { force: true })
    const second = await place.holdfast(['start', '--once'])
    expect(second.exitCode).toBe(1)
    expect(second.stdout).toMatch(/^notes {6}failed {2}snapshot: .*notes.sqlite is missing/m)
    expect(await place.holdfast(['restore', 'notes', '--yes'])).toMatchObject({ exitCode: 0 })
    expect(count(notes)).toBeGreaterThanOrEqual(5000)
  })

  test('the writer goes on in a database that was put back, and ends with its parent', async () => {
    const path = join(place.path, 'notes.sqlite')
    makeDatabase(path)
    const writer = execa(process.execPath, [join(root, 'cli', 'tour-writer.ts'), path], { reject: false, stdin: 'pipe' })
    await expect.poll(() => count(path), { timeout: 15_000 }).toBeGreaterThan(1)
    for (const end of ['', '-wal', '-shm']) await rm(`${path}${end}`, { force: true })
    makeDatabase(path)
    await expect.poll(() => count(path), { timeout: 15_000 }).toBeGreaterThan(1)
    writer.stdin.end()
    expect((await writer).exitCode).toBe(0)
  })
})

function makeDatabase(path: string): void {
  const database = new DatabaseSync(path)
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE notes (id INTEGER PRIMARY KEY, written TEXT NOT NULL, text TEXT NOT NULL)',
  )
  database.exec("INSERT INTO notes (written, text) VALUES ('then', 'first')")
  database.close()
}

function count(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return database.prepare('SELECT count(*) AS count FROM notes').get()?.count
  } finally {
    database.close()
  }
}
