import { rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directoryPlace, locate, rootPlace, vaultPlace } from '../../infra/find.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { rsync } from '../../infra/vaults/rsync.ts'
import { makeBackup } from '../services/backup.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { requires } from '../services/requires.ts'
import { putWork } from './vaults/opened.ts'

const host = localHost()

async function rootAndVault() {
  const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
  const made = await makeBackup(root)
  await makeBackup(root, { at: '2026-11-22T02:00:00.000Z' })
  const vault = rsync.open('nas', { path }, () => host)
  await vault.put(putWork(host, made))
  return { root, path, made, places: [rootPlace(host, root), vaultPlace(vault)] }
}

requires('rsync')('locate', () => {
  test('names every place that has it, nearest first', async () => {
    const { places, made } = await rootAndVault()
    for (const text of [made.manifest.id, 'zeus-20261121', `local/${made.manifest.id}`]) {
      const { id, copies, problems } = await locate(places, text)
      expect(id).toBe(made.manifest.id)
      expect(copies.map(({ place }) => place.name)).toEqual(['local', 'nas'])
      expect(problems).toEqual([])
    }
  })

  test('refuses a text that means several, and one that means none', async () => {
    const { places } = await rootAndVault()
    await expect(locate(places, 'zeus')).rejects.toThrow('means 2 backups, among them local/zeus-20261122T020000Z')
    for (const text of ['hera-20261121T020000Z', '']) await expect(locate(places, text)).rejects.toThrow('in local, nas')
  })

  test('one id on two hosts is told apart by the label', async () => {
    const { path } = await rootAndVault()
    const vault = rsync.open('nas', { path }, () => host)
    await vault.put(putWork(host, await makeBackup(await temporaryDirectory(), { label: 'r420.example.com' })))
    await expect(locate([vaultPlace(vault)], 'zeus-20261121T020000Z')).rejects.toThrow('means 2 backups')
    const { copies } = await locate([vaultPlace(vault)], 'r420.example.com/zeus-2026')
    expect(copies[0].backup.manifest.host.label).toBe('r420.example.com')
  })

  test('a place that cannot be looked into is a problem, and no reason to give up', async () => {
    const { places, path, made } = await rootAndVault()
    await rename(path, `${path}.unplugged`)
    const { copies, problems } = await locate(places, made.manifest.id)
    expect(copies).toHaveLength(1)
    expect(problems).toEqual([`nas: ${path} is not there`])
    await expect(locate(places, 'hera-20261121T020000Z')).rejects.toMatchObject({
      message: expect.stringContaining('not everything could be read'),
      retryable: true,
    })
  })

  test('a broken manifest is a problem, and the vault still has it', async () => {
    const { places, made } = await rootAndVault()
    await writeFile(join(made.directory, 'manifest.json'), '{')
    const { copies, problems } = await locate(places, made.manifest.id)
    expect(copies.map(({ place }) => place.name)).toEqual(['nas'])
    expect(problems).toEqual([expect.stringContaining('manifest.json is not what Holdfast writes')])
  })

  describe('from a directory alone', () => {
    test('a vault, a host’s part of it, a root, a day or one backup', async () => {
      const { root, path, made } = await rootAndVault()
      const day = dirname(made.directory)
      for (const directory of [path, `${path}/`, join(path, 'local'), root, day, made.directory]) {
        const { copies } = await locate([directoryPlace(host, directory)], made.manifest.id)
        expect(copies.map(({ backup }) => backup.manifest)).toEqual([made.manifest])
      }
      await expect(locate([directoryPlace(host, day)], 'zeus-20261122T020000Z')).rejects.toThrow('no backup')
    })

    test('that is not there', async () => {
      const place = directoryPlace(host, join(await temporaryDirectory(), 'none'))
      await expect(locate([place], 'zeus-20261121T020000Z')).rejects.toThrow('is not there')
    })
  })
})
