import { mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addCopies } from '../../infra/backups.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { MANIFEST, VERIFIED } from '../../infra/layout.ts'
import { makeBackup, manifestText, sha256 } from '../services/backup.ts'
import { requires } from '../services/requires.ts'
import { makePlace, type Place } from './holdfast.ts'

const id = 'zeus-20261121T020000Z'

requires('sqlite3')('what commands say where something is broken or away', () => {
  let place: Place
  let there: string

  /** One verified backup on the host, and its copy in the vault. */
  beforeAll(async () => {
    place = await makePlace()
    await writeFile(
      join(place.path, 'holdfast.yaml'),
      `plans: { p: { keep: { last: 3 }, vaults: [shelf] } }
sources: { zeus: { kind: sqlite, plan: p, path: ./zeus.sqlite } }
hosts: { local: { label: local } }
vaults: { shelf: { kind: rsync, path: ./shelf } }
`,
    )
    const database = new DatabaseSync(join(place.path, 'zeus.sqlite'))
    database.exec('CREATE TABLE notes (text TEXT)')
    database.close()
    const bytes = await readFile(join(place.path, 'zeus.sqlite'))
    const here = await verifiedBackup(join(place.path, 'backups'), bytes)
    there = await verifiedBackup(join(place.path, 'shelf', 'local'), bytes)
    await addCopies(localHost('local'), here, [{ vault: 'shelf', at: '2026-11-21T02:01:00.000Z', directory: there, bytes: 1 }])
  })
  afterAll(() => place.remove())

  test('verify proves every copy, one line for each, and fails where one of them does', async () => {
    const restore = await edited(join(there, 'zeus.sqlite'), () => 'spoiled')
    const { exitCode, stdout } = await place.holdfast(['verify'])
    await restore()
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(new RegExp(`^${id}  local .* verified .*\n${id}  shelf  failed .*zeus.sqlite`))
  })

  test('verify fails where a manifest was edited, and says so to programs', async () => {
    const restore = await edited(join(there, 'manifest.json'), text => text.replace('nightly', 'monthly'))
    const ended = await place.holdfast(['verify', 'zeus', '--json'])
    const alone = await place.holdfast(['verify', id, '--vault', 'shelf', '--json'])
    await restore()
    const problem = expect.objectContaining({ ok: false, error: expect.stringContaining('changed after it was verified') })
    expect(ended.exitCode).toBe(1)
    expect(JSON.parse(ended.stdout)).toEqual([expect.objectContaining({ id, place: 'local', ok: true }), problem])
    expect(alone.exitCode).toBe(1)
    expect(JSON.parse(alone.stdout)).toEqual([problem])
  })

  test('verify compares the checksums of a kind that nobody knows here', async () => {
    const directory = await verifiedBackup(join(place.path, 'foreign'), Buffer.from('data'), 'future')
    const good = await place.holdfast(['verify', id, '--from', 'foreign'])
    await writeFile(join(directory, 'zeus.sqlite'), 'dada')
    const bad = await place.holdfast(['verify', id, '--from', 'foreign'])
    expect(good).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('verified') })
    expect(bad).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/failed .*zeus.sqlite/) })
  })

  test('list fails where a place cannot be read, and does not call that nothing', async () => {
    const back = await away(join(place.path, 'shelf'))
    const vault = await place.holdfast(['list', '--vault', 'shelf'])
    const both = await place.holdfast(['list', '--json'])
    await back()
    expect(vault).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('is not there') })
    expect(both.exitCode).toBe(1)
    expect(JSON.parse(both.stdout)).toMatchObject([{ id }])
    expect(await place.holdfast(['list', '--from', '/nope', '--json'])).toMatchObject({ exitCode: 1, stdout: '[]' })
  })

  test('status finds the copy in the vault where the host has nothing left, and says what it cannot read', async () => {
    const back = await away(join(place.path, 'backups'))
    const [gone, json] = [await place.holdfast(['status']), await place.json(['status'])]
    const vaultBack = await away(join(place.path, 'shelf'))
    const nothing = await place.holdfast(['status'])
    await vaultBack()
    await back()
    expect(gone).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(new RegExp(`zeus +${id} .* shelf `)) })
    expect(json).toMatchObject({ sources: [{ good: { id, directory: there, vaults: ['shelf'] }, backups: 0 }] })
    expect(nothing).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/zeus: shelf: .*shelf is not there/) })
  })

  test('hold and unhold name the place that they missed', async () => {
    const back = await away(join(place.path, 'backups'))
    const root = await place.holdfast(['hold', id, '--reason', 'audit'])
    await back()
    expect(root).toMatchObject({ exitCode: 1, stdout: `${id}  held in shelf` })
    expect(root.stderr).toMatch(/local: .*backups is not there/)
    const shelfBack = await away(join(place.path, 'shelf'))
    await mkdir(join(place.path, 'shelf'))
    const shelf = await place.holdfast(['hold', id, '--reason', 'audit'])
    await rmdir(join(place.path, 'shelf'))
    await shelfBack()
    expect(shelf).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('shelf: it got a copy, and shows no backup') })
    expect(await place.holdfast(['unhold', id])).toMatchObject({ exitCode: 0 })
    expect(await place.holdfast(['unhold', id])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is not held') })
  })

  test('control characters are neither taken as a reason nor sent to the terminal', async () => {
    expect(await place.holdfast(['hold', id, '--reason', 'a\n\x1b[31mb'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('control characters'),
    })
    const hold = JSON.stringify({ at: '2026-11-21T02:00:30.000Z', reason: 'a\n\x1b[31mb' })
    await writeFile(join(there, 'hold.json'), hold)
    const { stdout } = await place.holdfast(['show', id, '--vault', 'shelf'])
    await rm(join(there, 'hold.json'))
    expect(stdout).toContain('a\\x0a\\x1b[31mb')
  })

  test('a state directory that is none is said in one block', async () => {
    expect(await place.holdfast(['--state', '/etc/passwd', 'status'])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'holdfast: the state cannot be in /etc/passwd: /etc/passwd is not a directory\n  Name a directory, which may be new: --state DIRECTORY',
    })
  })
})

async function verifiedBackup(root: string, bytes: Uint8Array, kind = 'sqlite'): Promise<string> {
  const { directory, manifest } = await makeBackup(root, { files: { 'zeus.sqlite': bytes } })
  const attributes = { owner: '0:0', mode: '600' }
  const details = {
    path: '/zeus',
    journalMode: 'wal',
    rows: null,
    foreignKeyViolations: null,
    file: attributes,
    directory: attributes,
  }
  const text = manifestText({ ...manifest, kind, details })
  await writeFile(join(directory, MANIFEST), text)
  const verified = { at: '2026-11-21T02:00:30.000Z', manifest: sha256(text), checks: [] }
  await writeFile(join(directory, VERIFIED), JSON.stringify(verified))
  return directory
}

/** Resolves to what undoes it. */
async function edited(path: string, edit: (text: string) => string): Promise<() => Promise<void>> {
  const before = await readFile(path)
  await writeFile(path, edit(before.toString()))
  return () => writeFile(path, before)
}

/** Resolves to what brings it back. */
async function away(path: string): Promise<() => Promise<void>> {
  await rename(path, `${path}.away`)
  return () => rename(`${path}.away`, path)
}
