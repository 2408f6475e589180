import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { NoSpace } from '../../../infra/tools/disk.ts'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { putWork } from './opened.ts'
import { big, everything, host, open } from './rsync-parts.ts'

requires('rsync', 'root')('rsync to a small file system', () => {
  test('too small: said before anything is written', async () => {
    const path = await temporaryDirectory({ tmpfs: '4m' })
    const made = await makeBackup(await temporaryDirectory(), { files: { 'disk.img': big(6) } })
    await expect(open(path).put(putWork(host, made))).rejects.toMatchObject({
      name: 'NoSpace',
      message: expect.stringMatching(/needs 6291456 bytes .* where \d+ are free/),
      hint: expect.stringContaining('Free some space'),
    })
    expect((await everything(path)).map(name => basename(name))).not.toContain('disk.img')
  })

  test('filled by somebody else in mid-copy: a clear error, and the room is given back', async () => {
    const [root, path] = [await temporaryDirectory(), await temporaryDirectory({ tmpfs: '4m' })]
    const roomy: Host = { ...host, space: async () => ({ free: 1e12, total: 1e12 }) }
    const made = await makeBackup(root, { files: { 'disk.img': big(6) } })
    await expect(open(path, roomy).put(putWork(host, made))).rejects.toThrow(NoSpace)
    expect(await open(path).list()).toEqual([])
    expect((await everything(path)).filter(name => name.includes('partial'))).toEqual([])
    const small = await makeBackup(root, { source: 'hera', files: { 'disk.img': big(2) } })
    await open(path).put(putWork(host, small))
  })

  test('what is linked needs no room', async () => {
    const [root, path] = [await temporaryDirectory(), await temporaryDirectory({ tmpfs: '8m' })]
    const files = { 'disk.img': big(5) }
    for (const day of ['21', '22'])
      await open(path).put(putWork(host, await makeBackup(root, { at: `2026-11-${day}T02:00:00.000Z`, files })))
    expect(await open(path).list()).toHaveLength(2)
  })

  test('leftovers give way where they are in it', async () => {
    const [root, path] = [await temporaryDirectory(), await temporaryDirectory({ tmpfs: '8m' })]
    const made = await makeBackup(root, { files: { 'disk.img': big(5) } })
    await open(path).put(putWork(host, await makeBackup(root, { source: 'hera' })))
    const leftover = join(path, 'local', '2026-11-21', '.zeus-020000Z.partial-1')
    await mkdir(leftover)
    await writeFile(join(leftover, 'disk.img'), big(4))
    await open(path).put(putWork(host, made, { fence: '2' }))
    expect(await readdir(dirname(leftover))).toEqual(['hera-020000Z', 'zeus-020000Z'])
  })

  test('read-only: a clear error with a hint', async () => {
    const path = await temporaryDirectory({ tmpfs: '4m' })
    const root = await temporaryDirectory()
    await open(path).put(putWork(host, await makeBackup(root)))
    await execa('mount', ['-o', 'remount,ro', path])
    const put = open(path).put(putWork(host, await makeBackup(root, { source: 'hera' })))
    await expect(put).rejects.toMatchObject({
      message: expect.stringMatching(/read-only/i),
      hint: expect.stringContaining('writable'),
    })
    expect(await open(path).list()).toHaveLength(1)
  })
})
