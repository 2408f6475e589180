import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { putWork } from './opened.ts'
import { host, open } from './rsync-parts.ts'

requires('rsync')('rsync: a root that is not what it was', () => {
  test('is not made where the directory around it is missing', async () => {
    const path = join(await temporaryDirectory(), 'not', 'mounted')
    const put = open(path).put(putWork(host, await makeBackup(await temporaryDirectory())))
    await expect(put).rejects.toMatchObject({
      message: expect.stringContaining('is not there'),
      hint: expect.stringContaining('Mount'),
    })
    expect(await readdir(dirname(dirname(path)))).toEqual([])
  })

  test('is not taken where it holds something else', async () => {
    const path = await temporaryDirectory()
    await writeFile(join(path, 'photos'), '')
    const put = open(path).put(putWork(host, await makeBackup(await temporaryDirectory())))
    await expect(put).rejects.toMatchObject({
      message: expect.stringContaining('it holds photos'),
      hint: expect.stringContaining('echo'),
    })
    expect(await readdir(path)).toEqual(['photos'])
  })

  test('an empty file system with its lost+found is a new vault', async () => {
    const path = await temporaryDirectory()
    await mkdir(join(path, 'lost+found'))
    await open(path).put(putWork(host, await makeBackup(await temporaryDirectory())))
    expect(await open(path).list()).toHaveLength(1)
  })

  test.each(['gone', 'empty'])('%s although there were copies in it: an error, and nothing is written', async state => {
    const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
    const first = await makeBackup(root)
    const copy = await open(path).put(putWork(host, first))
    await host.write(join(first.directory, 'copies.json'), JSON.stringify({ copies: [copy] }))
    await rename(path, `${path}.unplugged`)
    if (state === 'empty') await mkdir(path)
    const next = await makeBackup(root, { source: 'hera' })
    await expect(open(path).put(putWork(host, next))).rejects.toMatchObject({
      message: expect.stringContaining(`there was a copy at ${copy.directory}`),
      hint: expect.stringContaining('Mount'),
    })
    expect(await readdir(dirname(path))).toEqual(state === 'empty' ? ['vault', 'vault.unplugged'] : ['vault.unplugged'])
  })

  test('a vault that is not there is not an empty one', async () => {
    const vault = open(join(await temporaryDirectory(), 'vault'))
    for (const ask of [() => vault.list(), () => vault.space()]) await expect(ask()).rejects.toThrow('is not there')
  })

  test('a marker of a later version is respected', async () => {
    const path = await temporaryDirectory()
    await writeFile(join(path, '.holdfast-vault.json'), '{"format":"holdfast-vault","version":2}')
    const put = open(path).put(putWork(host, await makeBackup(await temporaryDirectory())))
    await expect(put).rejects.toMatchObject({ message: expect.stringContaining('not one this version'), retryable: false })
  })
})
