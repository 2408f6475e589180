import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { putWork } from './opened.ts'
import { big, flip, host, open, watched } from './rsync-parts.ts'

requires('rsync')('rsync: only changes travel', () => {
  const second = { at: '2026-11-22T02:00:00.000Z' }

  test('of a file that changed by a hundredth, about that much', async () => {
    const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
    const data = big(20)
    await open(path).put(putWork(host, await makeBackup(root, { files: { 'disk.img': data } })))
    data.set(randomBytes(200 * 1024), 9_000_000)
    const { through, literal } = watched()
    const { directory } = await open(path, through).put(
      putWork(host, await makeBackup(root, { ...second, files: { 'disk.img': data } })),
    )
    expect(literal()).toBeLessThan(500_000)
    expect((await readFile(join(directory, 'disk.img'))).equals(data)).toBe(true)
  })

  test('a file that did not change is linked, and outlives the older copy', async () => {
    const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
    const files = { 'same.bin': big(1) }
    await open(path).put(putWork(host, await makeBackup(root, { files })))
    const { through, literal } = watched()
    const { directory } = await open(path, through).put(putWork(host, await makeBackup(root, { ...second, files })))
    expect(literal()).toBe(0)
    expect((await stat(join(directory, 'same.bin'))).nlink).toBe(2)
    const [older] = await open(path).list()
    if (older) await open(path).remove(older)
    expect(await readdir(join(path, 'local'))).toEqual(['.holdfast-host.json', '2026-11-22'])
    expect((await readFile(join(directory, 'same.bin'))).equals(files['same.bin'])).toBe(true)
  })

  test('a rotten older copy spoils no new one', async () => {
    const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
    const files = { 'same.bin': big(1) }
    const older = await open(path).put(putWork(host, await makeBackup(root, { files })))
    await flip(join(older.directory, 'same.bin'))
    const newer = await open(path).put(putWork(host, await makeBackup(root, { ...second, files })))
    expect((await readFile(join(newer.directory, 'same.bin'))).equals(files['same.bin'])).toBe(true)
    expect((await stat(join(newer.directory, 'same.bin'))).nlink).toBe(1)
  })

  test('holes stay holes', async () => {
    const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
    const { directory } = await open(path).put(
      putWork(host, await makeBackup(root, { files: { 'disk.raw': Buffer.alloc(8_000_000) } })),
    )
    expect((await stat(join(directory, 'disk.raw'))).blocks * 512).toBeLessThan(1_000_000)
  })
})
