/** Debian's own way of running QEMU: as libvirt-qemu, with images that libvirt gives to that user while they are in use. */
import { chmod, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { UEFI } from '../../../services/guest-xml.ts'
import { requires } from '../../../services/requires.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt', UEFI)('a guest of libvirt-qemu, with UEFI', () => {
  let place: Directory
  let scene: Scene
  let first: Verified

  beforeAll(async () => {
    place = await makeDirectory()
    scene = await openScene({
      user: 'libvirt-qemu',
      directory: place.path,
      guests: [
        {
          name: 'zeus',
          firmware: 'uefi',
          disks: [
            { size: 64 * MB, backing: 'qcow2' },
            { size: 32 * MB, format: 'raw' },
          ],
        },
      ],
    })
    await chmod(scene.house.root, 0o700)
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
  })

  test('is refused, with advice, while its user cannot reach the place of the backups', async () => {
    const { error } = await scene.failToBackUp()
    expect(error.message).toMatch(/^QEMU works as user \d+, who cannot reach /)
    expect(error.hint).toMatch(/setfacl -m u:\d+:x/)
    expect((await readdir(scene.house.root)).filter(name => name.startsWith('.vm-'))).toEqual([])
    await chmod(place.path, 0o711)
  }, 60_000)

  test('is captured with its UEFI variables; the backup is private', async () => {
    const synced = await scene.guest.moreRecords(2)
    first = await scene.backUp()
    expect(first).toMatchObject({ parent: null, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
    expect((await detailsOf(first)).nvram).toMatchObject({ artifact: 'zeus_nvram.fd' })
    for (const name of ['zeus.xml', 'zeus_nvram.fd', 'zeus_vda.qcow2', 'zeus_vdb.qcow2']) {
      const { uid, gid, mode } = await stat(join(first.directory, name))
      expect({ name, uid, gid, mode: mode & 0o7777 }).toEqual({ name, uid: 0, gid: 0, mode: 0o600 })
    }
    expect((await stat(first.directory)).mode & 0o7777).toBe(0o700)
    await expectRecords(join(first.directory, 'zeus_vda.qcow2'), synced)
  }, 60_000)

  test('and in increments', async () => {
    const synced = await scene.guest.moreRecords(2)
    const next = await scene.backUp()
    expect(next).toMatchObject({ parent: first.id, warnings: { count: 0 } })
    await expectRecords(join(next.directory, 'zeus_vda.qcow2'), synced)
    await scene.expectSettled(scene.guest, [first.id, next.id])
  }, 60_000)
})
