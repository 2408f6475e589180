import { readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { installationOf, OWNER } from '../../../infra/tools/owner.ts'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { putWork } from './opened.ts'
import { host, open } from './rsync-parts.ts'

/** A vault with a copy of one installation, and another installation. */
async function shared() {
  const [path, root, other] = [await temporaryDirectory(), await temporaryDirectory(), await temporaryDirectory()]
  const vault = open(path)
  await vault.put(putWork(host, await makeBackup(root)))
  const [backup] = await vault.list()
  if (!backup) throw new Error('nothing listed')
  return { vault, backup, root, other, owner: join(path, 'local', OWNER) }
}

test('an installation has one id, however many ask for it first; nobody else may read it', async () => {
  const root = join(await temporaryDirectory(), 'backups')
  const ids = await Promise.all(Array.from({ length: 8 }, () => installationOf(host, root)))
  expect(new Set([...ids, await installationOf(host, root)]).size).toBe(1)
  expect((await stat(join(root, OWNER))).mode & 0o777).toBe(0o600)
  expect((await host.list(root)).map(({ name }) => name)).toEqual([OWNER])
})

requires('rsync')('rsync: two installations with one label', () => {
  const refused = {
    message: expect.stringContaining('two use one label'),
    hint: expect.stringContaining('label'),
    retryable: false,
  }

  test('the second neither adds nor removes a copy, the first goes on', async () => {
    const { vault, backup, root, other, owner } = await shared()
    const theirs = await makeBackup(other, { at: '2026-11-22T02:00:00.000Z' })
    await expect(vault.put(putWork(host, theirs))).rejects.toMatchObject(refused)
    const stranger = await installationOf(host, other)
    await expect(vault.remove(backup, stranger)).rejects.toMatchObject(refused)
    await expect(vault.sweep?.({ source: 'zeus', label: 'local', installation: stranger })).rejects.toMatchObject(refused)
    expect(await vault.list()).toHaveLength(1)
    const installation = await installationOf(host, root)
    expect(await readFile(owner, 'utf8')).toContain(installation)
    await vault.sweep?.({ source: 'zeus', label: 'local', installation })
    await vault.remove(backup, installation)
    expect(await vault.list()).toEqual([])
  })

  test('a directory of copies that names nobody is taken over by the next copy', async () => {
    const { vault, other, owner } = await shared()
    await rm(owner)
    await vault.put(putWork(host, await makeBackup(other, { at: '2026-11-22T02:00:00.000Z' })))
    expect(await readFile(owner, 'utf8')).toContain(await installationOf(host, other))
    expect((await stat(dirname(owner))).isDirectory()).toBe(true)
  })
})
