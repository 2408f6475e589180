import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { makeDirectory } from '../services/directory.ts'
import { requires } from '../services/requires.ts'
import { configuration, furnish, makePlace, type Place } from './holdfast.ts'

requires(
  'nats-server',
  'rsync',
  'sqlite3',
  'tar',
  'zstd',
)('restore with nothing running', () => {
  let place: Place
  let letters: string
  let notes: string

  beforeAll(async () => {
    place = await makePlace()
    await furnish(place)
    await place.holdfast(['up', '--once'])
    const all = z.array(z.object({ id: z.string() })).parse(await place.json(['list']))
    ;[letters = '', notes = ''] = all.map(({ id }) => id).toSorted()
  })
  afterAll(() => place.remove())

  test('restore asks, and where nobody can be asked it touches nothing', async () => {
    await writeFile(join(place.path, 'letters', 'one.txt'), 'changed')
    const { exitCode, stdout, stderr } = await place.holdfast(['restore', letters])
    expect(exitCode).toBe(2)
    expect(stdout).toContain(`  to       ${join(place.path, 'letters')}`)
    expect(stderr).toContain('--yes')
    expect(await readFile(join(place.path, 'letters', 'one.txt'), 'utf8')).toBe('changed')
  })

  test('restore --yes puts it back, and keeps what was there where told', async () => {
    await writeFile(join(place.path, 'letters', 'one.txt'), 'changed')
    const { exitCode, stdout } = await place.holdfast(['restore', letters, '--yes', '--keep-aside'])
    expect(exitCode).toBe(0)
    expect(await readFile(join(place.path, 'letters', 'one.txt'), 'utf8')).toBe('Dear Ada')
    const aside = /what was there is kept: (.+)/.exec(stdout)?.[1] ?? ''
    expect(await readFile(join(aside, 'one.txt'), 'utf8')).toBe('changed')
    await rm(aside, { recursive: true })
  })

  test('restore --to leaves the original alone', async () => {
    const to = join(place.path, 'copy.sqlite')
    const { exitCode, stdout } = await place.holdfast(['restore', notes, '--to', 'copy.sqlite', '--yes'])
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining(`→  ${to}  restored`) })
    expect(rows(to)).toBe(2)
  })

  test('restore works from a vault directory alone, with no configuration, in place', async () => {
    const elsewhere = await makeDirectory()
    try {
      await rm(join(place.path, 'notes.sqlite'))
      const vault = join(place.path, 'shelf')
      const result = await place.holdfast(['restore', notes, '--from', vault, '--yes', '--json'], { cwd: elsewhere.path })
      expect(result.exitCode).toBe(0)
      expect(JSON.parse(result.stdout)).toMatchObject({ id: notes, from: vault, targets: [join(place.path, 'notes.sqlite')] })
      expect(rows(join(place.path, 'notes.sqlite'))).toBe(2)
      expect((await place.holdfast(['list', '--from', vault], { cwd: elsewhere.path })).stdout).toContain(notes)
    } finally {
      await elsewhere.remove()
    }
  })

  test("a bus that is away stands in nobody's way", async () => {
    await writeFile(join(place.path, 'away.yaml'), `nats: { url: "nats://127.0.0.1:1" }\n${configuration}`)
    const { exitCode } = await place.holdfast(['restore', 'notes', '--to', 'again.sqlite', '--yes', '--config', 'away.yaml'])
    expect({ exitCode, rows: rows(join(place.path, 'again.sqlite')) }).toEqual({ exitCode: 0, rows: 2 })
    expect(await place.holdfast(['run', 'notes', '--config', 'away.yaml'])).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('nats: nobody listens at nats://127.0.0.1:1'),
    })
  })
})

function rows(path: string): unknown {
  const database = new DatabaseSync(path)
  try {
    return database.prepare('SELECT count(*) AS count FROM notes').get()?.count
  } finally {
    database.close()
  }
}
