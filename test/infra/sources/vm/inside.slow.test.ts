/** Snapshots inside a domain's own disks: where they can be, what they bring back, and that nobody takes them for protection. */
import { readdir, rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { checkInside } from '../../../../infra/sources/vm/inside.ts'
import { statusOf } from '../../../../infra/status.ts'
import { imageInfo } from '../../../../infra/tools/qemu-img.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { defineGuest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { UEFI } from '../../../services/guest-xml.ts'
import { startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { detailsOf, openScene, type Scene, type Verified } from './scene.ts'
import { killIn, verbsOf } from './verbs.ts'

requires('libvirt')('a snapshot inside', () => {
  let scene: Scene
  let outside: Verified
  let inside: Verified

  beforeAll(async () => {
    scene = await openScene({ guests: [{ name: 'zeus', disks: [{ size: 128 * MB }] }] })
    outside = await scene.backUp()
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const snapshots = async () => (await scene.libvirt.virsh('snapshot-list', 'zeus', '--name')).split('\n').filter(Boolean)

  test('is a backup that protects nothing, and says so', async () => {
    inside = await scene.backUp({ mode: 'snapshot' })
    expect(inside).toMatchObject({ parent: null, consistency: { achieved: 'application' } })
    expect(inside.warnings.first).toEqual(["it is a snapshot inside the VM's own disk: no protection"])
    expect(await detailsOf(inside)).toMatchObject({ mode: 'snapshot', method: 'internal', inside: inside.id, images: [] })
    const xml = await scene.libvirt.virsh('snapshot-dumpxml', 'zeus', inside.id)
    expect(xml).toContain(`<description>Holdfast: backup ${inside.id}</description>`)
    const [status] = await statusOf(scene.house.tools)
    expect(status).toMatchObject({ good: { id: outside.id }, last: { id: inside.id, protects: false } })
    await scene.expectSettled(scene.guest, [])
  }, 120_000)

  test('brings the guest back to its moment', async () => {
    const { libvirt, guest } = scene
    await guest.exec(['touch', '/mnt/later'])
    await libvirt.virsh('snapshot-revert', 'zeus', inside.id)
    expect((await guest.exec(['ls', '/mnt/later'])).exitCode).not.toBe(0)
  }, 120_000)

  test('lets no increment be made while it is there, as nobody knows what going back changed', async () => {
    const backup = await scene.backUp()
    expect(backup).toMatchObject({ parent: null, warnings: { first: [expect.stringContaining('snapshot-delete')] } })
    expect(await detailsOf(backup)).toMatchObject({ method: 'copy' })
  }, 120_000)

  test('goes once its backup is gone, and leaves nothing where it was cut off', async () => {
    await rm(inside.directory, { recursive: true })
    const setting = { root: scene.house.root, id: 'zeus-20261121T020000Z', options: { uri: scene.libvirt.uri, mode: 'snapshot' } }
    await killIn('snapshot', { when: 'after', command: 'snapshot-create-as' }, setting)
    expect(await snapshots()).toEqual([setting.id])
    await verbsOf(setting).abandon()
    expect(await snapshots()).toEqual([])
    const zeus = { host: localHost(), uri: scene.libvirt.uri, domain: 'zeus' }
    await expect(checkInside(zeus, inside.id)).rejects.toThrow(`zeus has no snapshot ${inside.id} any more`)
    await scene.expectSettled(scene.guest, [])
  }, 120_000)

  test('is made of a guest that is off, after the bitmaps of our checkpoints', async () => {
    const { libvirt, guest } = scene
    await scene.backUp()
    await guest.shutdown()
    const backup = await scene.backUp({ mode: 'snapshot' })
    expect(backup.consistency.achieved).toBe('filesystem')
    expect(await snapshots()).toEqual([backup.id])
    expect(await libvirt.virsh('checkpoint-list', 'zeus', '--name')).toBe('')
    expect((await imageInfo(localHost(), guest.disks[0]?.path ?? '')).bitmaps).toEqual([])
    await until('it was left off', async () => (await guest.state()) === 'shut off')
  }, 120_000)
})

requires('libvirt', UEFI)('a domain that cannot have one', () => {
  test.each([
    ['a raw disk', { disks: [{}, { format: 'raw' as const }] }, 'vdb is raw, and only qcow2 holds snapshots'],
    ['UEFI in flash', { firmware: 'uefi' as const }, 'its UEFI variables are in flash'],
  ])('because of %s says so before anything is done, and what to do', async (_, hardware, why) => {
    await using libvirt = await startLibvirt()
    await defineGuest(libvirt, { name: 'zeus', ...hardware })
    const root = await temporaryDirectory()
    const verbs = verbsOf({ root, id: 'zeus-20261121T020000Z', options: { uri: libvirt.uri, mode: 'snapshot' } })
    const refused = { message: expect.stringContaining(why), hint: expect.stringContaining('mode: live') }
    await expect(verbs.snapshot()).rejects.toMatchObject(refused)
    expect(await readdir(root)).toEqual([])
  })
})
