import { open, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { machineLabel } from '../../infra/config/read.ts'
import { makeBackup } from '../services/backup.ts'
import { requires } from '../services/requires.ts'
import { type Ended, furnish, makePlace, type Place } from './holdfast.ts'

const Listed = z.array(z.looseObject({ id: z.string(), source: z.string(), directory: z.string(), held: z.string().nullable() }))

requires(
  'nats-server',
  'rsync',
  'sqlite3',
  'tar',
  'zstd',
)('what works with nothing running', () => {
  let place: Place
  let round: Ended
  let letters: string
  let notes: string

  beforeAll(async () => {
    place = await makePlace()
    await furnish(place)
    round = await place.holdfast(['up', '--once'])
    const all = Listed.parse(await place.json(['list']))
    letters = idOf(all, 'letters')
    notes = idOf(all, 'notes')
  })
  afterAll(() => place.remove())

  test('up --once backs up everything and says one line for each source', () => {
    expect(round).toMatchObject({ exitCode: 0, stderr: '' })
    const lines = round.stdout.split('\n').toSorted()
    expect(lines).toEqual([
      expect.stringMatching(/^letters {2}\d.*B {2}→ {2}shelf \d{4}-\d\d-\d\d\/letters-\d{6}Z {2}verified {2}\d+ s$/),
      expect.stringMatching(/^notes {4}\d.*B {2}→ {2}shelf \d{4}-\d\d-\d\d\/notes-\d{6}Z {2}verified {2}\d+ s$/),
    ])
  })

  test('up --once ends with 1 where something failed, and says what and why', async () => {
    await writeFile(
      join(place.path, 'lost.yaml'),
      'plans: { p: { keep: { last: 1 } } }\nsources: { lost: { kind: files, plan: p, paths: [./lost] } }\n',
    )
    const { exitCode, stdout } = await place.holdfast([
      'up',
      '--once',
      '--config',
      'lost.yaml',
      '--state',
      'elsewhere',
      '--log',
      'silent',
    ])
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^lost {2}failed {2}snapshot: .*\/lost/)
  })

  test('list names every backup once, with what programs need', async () => {
    const all = await place.json(['list', 'notes'])
    const expected = {
      id: notes,
      source: 'notes',
      kind: 'sqlite',
      host: machineLabel(hostname()),
      outcome: 'done',
      verified: true,
      parent: null,
      vaults: ['shelf'],
      warnings: 0,
    }
    expect(all).toEqual([
      expect.objectContaining({ ...expected, at: expect.any(String), bytes: expect.any(Number), directory: expect.any(String) }),
    ])
    expect((await place.holdfast(['list'])).stdout).toMatch(new RegExp(`${letters} .* verified .* shelf`))
    expect(await place.holdfast(['list', 'nots'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Did you mean notes?'),
    })
  })

  test('show tells everything about one, by the beginning of its id', async () => {
    const { exitCode, stdout } = await place.holdfast(['show', notes.slice(0, -3)])
    expect(exitCode).toBe(0)
    expect(stdout).toContain('integrity_check')
    expect(stdout).toMatch(/notes\.sqlite .* sha256 [0-9a-f]{64}/)
    expect(await place.json(['show', notes])).toMatchObject({
      manifest: { id: notes },
      places: [{ place: 'local' }, { place: 'shelf' }],
    })
    expect(await place.holdfast(['show', 'zeus'])).toMatchObject({
      exitCode: 2,
      stderr: 'holdfast: no backup "zeus" in local, shelf\n  `holdfast list` shows what there is.',
    })
  })

  test('status works, and says that nothing runs', async () => {
    const { exitCode, stdout } = await place.holdfast(['status'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(new RegExp(`^notes +${notes} +\\d+ s ago .* shelf +when asked`, 'm'))
    expect(stdout).toContain('no Holdfast runs with the state in state/holdfast: nothing is backed up')
    expect(await place.json(['status'])).toMatchObject({ running: false, sources: [{ source: 'letters' }, { source: 'notes' }] })
    expect(await place.holdfast(['status', '--running'])).toMatchObject({ exitCode: 3 })
  })

  test.each([['run', 'notes'], ['events'], ['url']])('%s needs an instance', async (...args) => {
    const { exitCode, stderr } = await place.holdfast(args)
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/^holdfast: no Holdfast runs with the state in state\/holdfast\n {2}Start it: holdfast up/)
  })

  test('verify reads back what is there, and finds a flipped bit', async () => {
    const good = await place.holdfast(['verify'])
    expect(good.exitCode).toBe(0)
    expect(good.stdout).toMatch(new RegExp(`${notes} {2}local .* verified .* integrity_check: ok`))
    const [copy] = Listed.parse(await place.json(['list', 'letters', '--vault', 'shelf']))
    const restore = await flipBit(join(copy?.directory ?? '', 'letters.tar.zst'))
    const bad = await place.holdfast(['verify', 'letters', '--vault', 'shelf'])
    await restore()
    expect(bad).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(new RegExp(`^${letters} {2}shelf {2}failed {2}.*letters.tar.zst`)),
    })
    expect(await place.json(['verify', letters])).toMatchObject([
      { id: letters, place: 'local', ok: true, error: null },
      { id: letters, place: 'shelf', ok: true, error: null },
    ])
  })

  test('hold keeps it out of retention in every place, unhold gives it back', async () => {
    const held = await place.holdfast(['hold', notes, '--reason', 'before upgrade'])
    expect(held).toMatchObject({ exitCode: 0, stdout: `${notes}  held in local, shelf` })
    for (const at of [[], ['--vault', 'shelf']]) {
      expect(await place.json(['list', 'notes', ...at])).toMatchObject([{ held: 'before upgrade' }])
    }
    await place.holdfast(['unhold', notes])
    for (const at of [[], ['--vault', 'shelf']])
      expect(await place.json(['list', 'notes', ...at])).toMatchObject([{ held: null }])
  })

  test('prune gives its reasons, and removes nothing when asked not to', async () => {
    const { directory } = await makeBackup(join(place.path, 'shelf', machineLabel(hostname())), {
      source: 'letters',
      at: '2020-01-02T03:04:05.000Z',
    })
    const dry = await place.holdfast(['prune', 'letters', '--dry-run'])
    expect(dry.stdout).toMatch(/shelf +letters-20200102T030405Z +remove +no rule keeps it/)
    expect(dry.stdout).toMatch(new RegExp(`shelf +${letters} +keep +last 5, newest verified`))
    expect(await readFile(join(directory, 'manifest.json'), 'utf8')).toContain('letters-20200102T030405Z')
    expect(await place.json(['prune', 'letters'])).toContainEqual(
      expect.objectContaining({ id: 'letters-20200102T030405Z', removed: true }),
    )
    await expect(readFile(join(directory, 'manifest.json'))).rejects.toThrow('ENOENT')
  })
})

function idOf(all: z.infer<typeof Listed>, source: string): string {
  return all.find(backup => backup.source === source)?.id ?? 'none'
}

/** Resolves to what flips it back. */
async function flipBit(path: string): Promise<() => Promise<void>> {
  const flip = async () => {
    const file = await open(path, 'r+')
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 20)
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 20)
    await file.close()
  }
  await flip()
  return flip
}
