import { readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HoldfastError } from '../../infra/errors.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { readBackup, readInventory } from '../../infra/inventory.ts'
import { makeBackup, manifestText, sha256 } from '../services/backup.ts'
import { temporaryDirectory } from '../services/directory.ts'

const host = localHost()

describe('readInventory', () => {
  test('lists what is there, oldest first, and nothing that only looks like it', async () => {
    const root = await temporaryDirectory()
    const second = await makeBackup(root, { at: '2026-11-22T02:00:00.000Z' })
    const first = await makeBackup(root)
    await makeBackup(join(root, '2026-11-21', '.zeus-030000Z.partial-7'), {})
    for (const path of ['notes', '2026-11-21/zeus.xml', '2026-11-21/zeus-040000Z']) await host.makeDirectory(join(root, path))
    const { backups, unreadable } = await readInventory(host, root)
    expect(backups.map(({ directory }) => directory)).toEqual([first.directory, second.directory])
    expect(backups[0]?.manifest).toEqual(first.manifest)
    expect(unreadable).toEqual([])
  })

  test('of one source takes no other whose name begins alike, broken or whole', async () => {
    const root = await temporaryDirectory()
    const ours = await makeBackup(root, { source: 'web' })
    await makeBackup(root, { source: 'web-2' })
    const broken = await makeBackup(root, { source: 'web-3' })
    await writeFile(join(broken.directory, 'manifest.json'), '{')
    const { backups, unreadable } = await readInventory(host, root, { source: 'web' })
    expect(backups.map(({ manifest }) => manifest.id)).toEqual([ours.manifest.id])
    expect(unreadable).toEqual([])
  })

  test('is empty where there is no such directory', async () => {
    const none = join(await temporaryDirectory(), 'none')
    expect(await readInventory(host, none)).toEqual({ backups: [], unreadable: [], removing: [] })
  })

  test.each([
    ['cut short', (text: string) => text.slice(0, 100), 'JSON'],
    ['of another version', (text: string) => text.replace('"version": 1', '"version": 2'), 'version'],
    ['with a path that escapes', (text: string) => text.replace('"data.bin"', '"../../data.bin"'), 'artifacts.0.name'],
    ['of another backup', (text: string) => text.replace('zeus-20261121T020000Z', 'zeus-20261121T050000Z'), 'belongs in'],
    ['of another source', (text: string) => text.replace('"source": "zeus"', '"source": "hera"'), 'no backup of hera'],
  ])('names a manifest %s, and lists the others', async (_, edit, problem) => {
    const root = await temporaryDirectory()
    const { directory, manifest } = await makeBackup(root)
    const whole = await makeBackup(root, { source: 'hera' })
    await writeFile(join(directory, 'manifest.json'), edit(manifestText(manifest)))
    const { backups, unreadable } = await readInventory(host, root)
    expect(backups.map(({ manifest: { id } }) => id)).toEqual([whole.manifest.id])
    expect(unreadable).toEqual([{ directory, error: expect.stringContaining(problem) }])
  })

  test.each(['EIO', 'EACCES'])('names a day that cannot be read (%s), and lists the others', async code => {
    const root = await temporaryDirectory()
    const { manifest } = await makeBackup(root)
    const day = join(root, '2026-11-22')
    await host.makeDirectory(day)
    const cause = Object.assign(new Error(code), { code })
    const list = (path: string) =>
      path === day ? Promise.reject(new HoldfastError(`cannot list ${day}`, { cause })) : host.list(path)
    const { backups, unreadable } = await readInventory({ ...host, list }, root)
    expect(backups.map(({ manifest: { id } }) => id)).toEqual([manifest.id])
    expect(unreadable).toEqual([{ directory: day, error: `cannot list ${day}` }])
  })

  test('a host that cannot be reached in between is an error', async () => {
    const root = await temporaryDirectory()
    const { manifest } = await makeBackup(root)
    const list = (path: string) =>
      path.endsWith(manifest.day) ? Promise.reject(new HoldfastError('no route to host')) : host.list(path)
    await expect(readInventory({ ...host, list }, root)).rejects.toThrow('no route')
  })

  test('names a manifest that cannot be read as a file', async () => {
    const root = await temporaryDirectory()
    const { directory } = await makeBackup(root)
    await rm(join(directory, 'manifest.json'))
    await symlink('manifest.json', join(directory, 'manifest.json'))
    expect((await readInventory(host, root)).unreadable).toEqual([{ directory, error: expect.stringContaining('manifest.json') }])
  })
})

describe('readBackup', () => {
  const at = '2026-11-21T02:01:00.000Z'

  test('reads what was learned later', async () => {
    const { directory, manifest } = await makeBackup(await temporaryDirectory())
    const verified = { at, manifest: sha256(manifestText(manifest)), checks: [{ name: 'checksums', result: 'fine' }] }
    const hold = { at, reason: 'before upgrade' }
    const copies = [{ vault: 'nas', at, directory: '/nas/x', bytes: 8 }]
    const drill = { at, ok: true, checks: [] }
    await host.makeDirectory(join(directory, 'drills'))
    for (const [name, document] of Object.entries({ verified, hold, copies: { copies }, 'drills/2026': drill }))
      await host.write(join(directory, `${name}.json`), JSON.stringify(document))
    await host.write(join(directory, 'drills', '2026.png'), 'no document')
    expect(await readBackup(host, directory)).toEqual({
      manifest,
      digest: verified.manifest,
      directory,
      verified,
      failed: undefined,
      hold,
      copies,
      drills: [drill],
    })
  })

  test('finds a manifest that was edited after it was verified, though it is well-formed', async () => {
    const { directory, manifest } = await makeBackup(await temporaryDirectory())
    const text = manifestText(manifest)
    await host.write(join(directory, 'verified.json'), JSON.stringify({ at, manifest: sha256(text), checks: [] }))
    await writeFile(join(directory, 'manifest.json'), text.replace('nightly', 'weekly'))
    await expect(readBackup(host, directory)).rejects.toMatchObject({
      message: expect.stringContaining('changed after'),
      retryable: false,
    })
  })

  test('tells a document that Holdfast did not write, and that the backup is not lost', async () => {
    const { directory } = await makeBackup(await temporaryDirectory())
    await host.write(join(directory, 'hold.json'), '{"reason": 5}')
    await expect(readBackup(host, directory)).rejects.toMatchObject({
      message: expect.stringContaining('hold.json is not what Holdfast writes: at'),
      hint: expect.stringContaining('not part of the backup itself'),
    })
  })

  test('is undefined without a manifest', async () => {
    const { directory } = await makeBackup(await temporaryDirectory())
    expect(await readFile(join(directory, 'manifest.json'))).toBeTruthy()
    await rm(join(directory, 'manifest.json'))
    expect(await readBackup(host, directory)).toBeUndefined()
  })
})
