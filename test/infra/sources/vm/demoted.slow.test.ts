/** What makes an increment a full backup, of one disk or of all, and what is refused: each said, and the next backup good. */
import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MB, makeDisk } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('the next backup of a guest', () => {
  let scene: Scene
  let last: Verified

  beforeAll(async () => {
    scene = await openScene({ guests: [{ name: 'zeus', disks: [{ size: 128 * MB }, { size: 64 * MB }] }] })
    last = await scene.backUp()
  }, 60_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const increments = async (backup: Verified) => {
    const { images } = await detailsOf(backup)
    return images.filter(({ parent }) => parent !== null).map(({ target }) => target)
  }
  const bitmaps = async (target: string) => {
    const path = scene.guest.disks.find(disk => disk.target === target)?.path ?? ''
    const { stdout } = await execa('qemu-img', ['info', '-U', '--output=json', path])
    const info: { 'format-specific'?: { data?: { bitmaps?: { name: string }[] } } } = JSON.parse(stdout)
    return (info['format-specific']?.data?.bitmaps ?? []).map(({ name }) => name)
  }

  test('builds on the last one after a clean restart', async () => {
    await scene.guest.shutdown()
    await scene.guest.boot()
    const synced = await scene.guest.moreRecords(2)
    const before = last
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: before.id, warnings: { count: 0 } })
    await expectRecords(join(last.directory, 'zeus_vda.qcow2'), synced)
  }, 60_000)

  test('is a full one after QEMU was killed, and no bitmap of before stays', async () => {
    // The parent's was stored when the guest was shut down, and is broken now; the last one's is gone.
    await scene.guest.kill9()
    await scene.guest.boot()
    expect(await bitmaps('vda')).toEqual([last.parent])
    const synced = await scene.guest.moreRecords(2)
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: null, warnings: { first: [expect.stringContaining('QEMU was killed')] } })
    await expectRecords(join(last.directory, 'zeus_vda.qcow2'), synced)
    await scene.expectSettled(scene.guest, [last.id])
    expect(await bitmaps('vda')).toEqual([])
  }, 60_000)

  test('holds a new disk whole, and says so', async () => {
    const before = last
    const disk = await makeDisk(scene.guest.directory, 'zeus-vdc', 'vdc', { size: 32 * MB })
    await scene.libvirt.virsh('attach-disk', 'zeus', disk.path, 'vdc', '--driver', 'qemu', '--subdriver', 'qcow2', '--persistent')
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: before.id, warnings: { first: [expect.stringMatching(/^vdc is captured whole: /)] } })
    expect(await increments(last)).toEqual(['vda', 'vdb'])
  })

  test('holds a disk whole that has grown', async () => {
    const before = last
    await scene.libvirt.virsh('blockresize', 'zeus', 'vdc', '48M')
    last = await scene.backUp()
    expect(last).toMatchObject({
      parent: before.id,
      warnings: { first: [expect.stringMatching(/^vdc is captured whole: its size/)] },
    })
    expect(await increments(last)).toEqual(['vda', 'vdb'])
    const after = last
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: after.id, warnings: { count: 0 } })
    expect(await increments(last)).toEqual(['vda', 'vdb', 'vdc'])
  })

  test('leaves out a disk that was taken away, and says so', async () => {
    const before = last
    await scene.libvirt.virsh('detach-disk', 'zeus', 'vdc', '--persistent')
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: before.id, warnings: { first: [expect.stringContaining('vdc was in')] } })
    expect(await increments(last)).toEqual(['vda', 'vdb'])
    const synced = await scene.guest.moreRecords(2)
    last = await scene.backUp()
    expect(last.warnings.count).toBe(0)
    await expectRecords(join(last.directory, 'zeus_vda.qcow2'), synced)
    await scene.expectSettled(scene.guest, [last.parent ?? '', last.id])
  }, 60_000)

  test('builds on the one before the last where a file of that is missing, and is a full one without both', async () => {
    const [before, earlier] = [last, last.parent ?? '']
    await rm(join(before.directory, 'zeus_vdb.qcow2'))
    const synced = await scene.guest.moreRecords(2)
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: earlier, warnings: { first: [expect.stringContaining('are missing')] } })
    await expectRecords(join(last.directory, 'zeus_vda.qcow2'), synced)
    await scene.expectSettled(scene.guest, [earlier, last.id])
    await rm(join(last.directory, '..', `zeus-${earlier.slice(-7)}`, 'zeus_vda.qcow2'))
    last = await scene.backUp()
    expect(last).toMatchObject({ parent: null, warnings: { first: [expect.stringContaining('are missing')] } })
    await scene.expectSettled(scene.guest, [last.id])
  }, 60_000)

  test('is a full one, with a hint, beside checkpoints of somebody else, which stay', async () => {
    const xml = join(scene.guest.directory, 'foreign.xml')
    await writeFile(xml, '<domaincheckpoint><name>theirs</name></domaincheckpoint>')
    await chmod(xml, 0o644)
    await scene.libvirt.virsh('checkpoint-create', 'zeus', xml)
    const backup = await scene.backUp()
    expect(backup).toMatchObject({ parent: null, warnings: { first: [expect.stringContaining('(theirs)')] } })
    expect((await detailsOf(backup)).method).toBe('copy')
    await scene.expectSettled(scene.guest, ['theirs'])
    await scene.libvirt.virsh('checkpoint-delete', 'zeus', 'theirs')
  })
})
