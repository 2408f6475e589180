/** Every other way of capture through the whole chain, with Debian's own user for QEMU: what is captured, and whose files are whose. */
import { chmod, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'
import { killIn, verbsOf } from './verbs.ts'

const id = 'zeus-20261121T020000Z'

requires('libvirt')('with QEMU as a user of its own', () => {
  let scene: Scene
  let place: Directory
  let home: Directory

  beforeAll(async () => {
    place = await makeDirectory()
    home = await makeDirectory()
    await chmod(home.path, 0o711)
    scene = await openScene({
      user: 'libvirt-qemu',
      directory: home.path,
      guests: [
        { name: 'zeus', disks: [{ size: 256 * MB }, { size: 128 * MB, format: 'raw' }, { size: 64 * MB, backing: 'qcow2' }] },
      ],
      sources: {
        external: { domain: 'zeus', method: 'external' },
        live: { domain: 'zeus', mode: 'live', excludeDisks: ['vdc'] },
        offline: { domain: 'zeus', mode: 'offline', method: 'copy' },
      },
    })
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
    await home?.remove()
  })

  const overlays = async () => (await readdir(scene.guest.directory)).filter(name => name.includes('overlay'))
  const expectOurs = async ({ directory }: Verified) => {
    for (const name of await readdir(directory)) {
      const { uid, mode } = await stat(join(directory, name))
      expect({ name, uid, mode: mode & 0o777 }).toEqual({ name, uid: 0, mode: 0o600 })
    }
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  }
  const setting = () => ({ root: place.path, id, options: { uri: scene.libvirt.uri, method: 'external' } })

  test('overlays: frozen for a moment, whole images, and the guest is back on its disks', async () => {
    const synced = await scene.guest.moreRecords(2)
    const backup = await scene.backUp({ source: 'external' })
    expect(backup).toMatchObject({ parent: null, warnings: { count: 0 }, consistency: { achieved: 'filesystem' } })
    expect(await detailsOf(backup)).toMatchObject({
      mode: 'live',
      method: 'external',
      frozen: expect.any(Number),
      downtime: null,
    })
    const first = await expectRecords(join(backup.directory, 'external_vda.qcow2'), synced)
    const second = await expectRecords(join(backup.directory, 'external_vdb.qcow2'), synced - 1)
    expect([0, 1]).toContain(first - second)
    await until('the overlays are merged', async () => (await overlays()).length === 0)
    await scene.expectSettled(scene.guest, [])
    await expectOurs(backup)
  }, 120_000)

  test('overlays of a guest that writes all the time converge, and nothing is lost', async () => {
    const { guest } = scene
    await guest.exec([
      'sh',
      '-c',
      '(while [ ! -e /run/enough ]; do dd if=/dev/urandom of=/mnt/load bs=1M count=40 conv=fsync; done) >/dev/null 2>&1 &',
    ])
    const synced = await guest.moreRecords(2)
    const backup = await scene.backUp({ source: 'external' })
    await expectRecords(join(backup.directory, 'external_vda.qcow2'), synced)
    await until('the overlays are merged', async () => (await overlays()).length === 0)
    await guest.exec(['touch', '/run/enough'])
    await scene.expectSettled(guest, [])
  }, 120_000)

  test("a guest that is shut down runs again, its files are QEMU's again, and the backup is ours", async () => {
    const synced = await scene.guest.moreRecords(2)
    const backup = await scene.backUp({ source: 'offline' })
    expect(backup).toMatchObject({ warnings: { count: 0 }, consistency: { achieved: 'filesystem' } })
    expect(await detailsOf(backup)).toMatchObject({ mode: 'offline', method: 'copy', downtime: expect.any(Number), ran: true })
    for (const target of ['vda', 'vdb']) await expectRecords(join(backup.directory, `offline_${target}.qcow2`), synced)
    await scene.guest.waitForAgent()
    await scene.expectSettled(scene.guest, [])
    await expectOurs(backup)
  }, 120_000)

  test.each([
    ['before its overlays', { when: 'before', command: 'snapshot-create-as' }],
    ['after its overlays', { when: 'after', command: 'snapshot-create-as' }],
  ] as const)('killed %s: release brings the guest back to its disks, thawed', { timeout: 120_000 }, async (_, point) => {
    await killIn('snapshot', point, setting())
    await verbsOf(setting()).abandon()
    expect(await overlays()).toEqual([])
    await scene.expectSettled(scene.guest, [])
    expect((await readdir(place.path)).filter(name => name.startsWith('.vm-'))).toEqual([])
  })

  test('overlays that nobody remembers are merged by the next backup', async () => {
    await killIn('snapshot', { when: 'after', command: 'snapshot-create-as' }, setting())
    await scene.libvirt.virsh('domfsthaw', 'zeus')
    await rm(join(place.path, `.vm-${id}`), { recursive: true })
    expect(await overlays()).toHaveLength(3)
    const next = verbsOf({ ...setting(), id: 'zeus-20261122T020000Z' })
    const synced = await scene.guest.moreRecords(1)
    const held = await next.snapshot()
    expect(await overlays()).toEqual([1, 2, 3].map(() => expect.stringContaining('20261122')))
    await next.export(held)
    await expectRecords(join(next.directory, 'zeus_vda.qcow2'), synced)
    await next.release(held)
    expect(await overlays()).toEqual([])
    await scene.expectSettled(scene.guest, [])
  }, 120_000)

  test.each([
    ['while it copies', 'export', { when: 'after', command: 'qemu-img convert' }],
    ['in mid-merge', 'release', { when: 'after', command: 'blockcommit' }],
    ['before an overlay is removed', 'release', { when: 'after', command: '--pivot' }],
  ] as const)('killed %s: a second try ends it', { timeout: 120_000 }, async (_, verb, point) => {
    const verbs = verbsOf(setting())
    const synced = await scene.guest.moreRecords(1)
    const held = await verbs.snapshot()
    if (verb === 'export') await killIn(verb, point, setting(), held)
    await verbs.export(held)
    await expectRecords(join(verbs.directory, 'zeus_vda.qcow2'), synced)
    if (verb === 'release') await killIn(verb, point, setting(), held)
    await verbs.release(held)
    expect(await overlays()).toEqual([])
    await scene.expectSettled(scene.guest, [])
    await place.remove()
    place = await makeDirectory()
  })

  test('a snapshot that is tried again begins anew, and an increment is a full backup after overlays', async () => {
    const { guest } = scene
    const live = await scene.backUp({ source: 'live' })
    await scene.expectSettled(guest, [live.id])
    await killIn('snapshot', { when: 'after', command: 'snapshot-create-as' }, setting())
    const verbs = verbsOf(setting())
    const synced = await guest.moreRecords(1)
    const held = await verbs.snapshot()
    await verbs.export(held)
    await expectRecords(join(verbs.directory, 'zeus_vda.qcow2'), synced)
    await verbs.release(held)
    expect(await overlays()).toEqual([])
    expect(dirname(verbs.directory)).toContain(place.path)
    const next = await scene.backUp({ source: 'live' })
    await expectRecords(join(next.directory, 'live_vda.qcow2'), synced)
  }, 120_000)

  test('a guest that ends while its disks are copied is merged closed, though release is killed, and left off', async () => {
    const { guest } = scene
    const verbs = verbsOf(setting())
    const synced = await guest.synced()
    const held = await verbs.snapshot()
    const written = await guest.moreRecords(2)
    await guest.kill9()
    await verbs.export(held)
    await expectRecords(join(verbs.directory, 'zeus_vda.qcow2'), synced)
    await killIn('release', { when: 'after', command: 'qemu-img commit' }, setting(), held)
    await verbs.release(held)
    expect(await overlays()).toEqual([])
    expect(await guest.state()).toBe('shut off')
    await expectRecords(guest.disks[0]?.path ?? '', written, false)
    await guest.boot()
  }, 120_000)
})
