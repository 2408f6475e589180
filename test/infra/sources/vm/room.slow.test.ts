/** A guest whose disks lie where nothing more fits: overlays that cannot grow would stop it, so none are made. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { verbsOf } from './verbs.ts'

requires('libvirt')('room for overlays', () => {
  let libvirt: Libvirt
  let guest: Guest
  let cramped: Directory
  let roomy: Directory

  beforeAll(async () => {
    // QEMU sees only what was mounted before.
    cramped = await makeDirectory({ tmpfs: '192m' })
    roomy = await makeDirectory()
    libvirt = await startLibvirt()
    guest = await defineGuest(libvirt, { name: 'zeus', directory: cramped.path, disks: [{ size: 64 * MB }, { size: 64 * MB }] })
    await guest.start()
  }, 60_000)
  afterAll(async () => {
    await libvirt?.stop()
    await cramped?.remove()
    await roomy?.remove()
  })

  const setting = (root: string, count: number) => ({
    ...{ root, id: `zeus-2026112${count}T020000Z` },
    options: { uri: libvirt.uri, method: 'external', quiesce: 'never' },
  })
  const overlays = async () => (await readdir(cramped.path)).filter(name => name.includes('overlay'))

  test('too little of it beside the disks, all disks together: refused before anything is begun', async () => {
    const filler = join(cramped.path, 'filler')
    await execa('fallocate', ['-l', String(80 * MB), filler])
    const verbs = verbsOf(setting(roomy.path, 1))
    await expect(verbs.snapshot()).rejects.toMatchObject({
      message: expect.stringMatching(
        /zeus needs 134217728 bytes for what it writes while its disks are copied, and .* has \d+ free/,
      ),
      hint: expect.stringContaining('method: copy'),
    })
    expect(await overlays()).toEqual([])
    expect(await guest.state()).toBe('running')
    await verbs.abandon()
    await rm(filler)
  })

  test('the backup and the overlays on one file system are counted together', async () => {
    const filler = join(cramped.path, 'filler')
    const { stdout } = await execa('df', ['--output=avail', '-B1', cramped.path])
    await execa('fallocate', ['-l', String(Number(stdout.split('\n')[1]) - 129 * MB), filler])
    await expect(verbsOf(setting(cramped.path, 2)).snapshot()).rejects.toThrow(/for its backup and what it writes/)
    await rm(filler)
  })

  test('enough of it: captured, and the guest is back on its disks', async () => {
    const verbs = verbsOf(setting(roomy.path, 3))
    const held = await verbs.snapshot()
    expect(await overlays()).toHaveLength(2)
    await verbs.export(held)
    await verbs.release(held)
    expect(await overlays()).toEqual([])
  }, 60_000)
})
