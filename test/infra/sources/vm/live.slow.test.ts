/** A running guest, captured through the whole chain. */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a running guest', () => {
  let scene: Scene
  /** What was synced before each backup, and a while after it. */
  const points: { backup: Verified; synced: number; later: number }[] = []
  const addPoint = async () => {
    const synced = await scene.guest.moreRecords(3)
    const backup = await scene.backUp()
    points.push({ backup, synced, later: await scene.guest.moreRecords(1) })
    return backup
  }

  beforeAll(async () => {
    scene = await openScene({
      guests: [
        {
          name: 'zeus',
          cdrom: 'empty',
          disks: [{ size: 128 * MB }, { size: 128 * MB, format: 'raw' }, { size: 64 * MB, backing: 'qcow2' }, { size: 32 * MB }],
        },
      ],
      sources: { zeus: { excludeDisks: ['vdd'] }, whole: { domain: 'zeus', method: 'copy' } },
    })
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  test('its first backup is a full one', async () => {
    const backup = await addPoint()
    expect(backup).toMatchObject({ parent: null, consistency: { asked: 'filesystem', achieved: 'filesystem' } })
    expect(backup.warnings).toEqual({ count: 0, first: [] })
    expect(backup.snapshot.tools).toEqual({ libvirt: expect.anything(), qemu: expect.anything(), 'qemu-img': expect.anything() })
  })

  test('five more hold what changed in one disk, and the raw one whole', async () => {
    for (let count = 0; count < 5; count++) await addPoint()
    const details = await Promise.all(points.map(({ backup }) => detailsOf(backup)))
    for (const { method, mode, dirty, frozen, images } of details.slice(1)) {
      expect({ method, mode, chained: images.map(({ parent }) => parent !== null) }).toEqual({
        method: 'incremental',
        mode: 'live',
        chained: [true, false, true],
      })
      expect(dirty).toBeGreaterThan(0)
      expect(frozen).toBeGreaterThan(0)
    }
    expect(points.slice(1).map(({ backup }) => backup.parent)).toEqual(points.slice(0, -1).map(({ backup }) => backup.id))
  }, 120_000)

  test('each of them opens by itself, at its own moment, the same on all disks', async () => {
    for (const { backup, synced } of points) {
      const first = await expectRecords(join(backup.directory, 'zeus_vda.qcow2'), synced)
      const second = await expectRecords(join(backup.directory, 'zeus_vdb.qcow2'), synced - 1)
      expect([0, 1]).toContain(first - second)
    }
  }, 120_000)

  test('the artifacts are private, and chained by paths that a move of all of them keeps', async () => {
    const directory = points.at(-1)?.backup.directory ?? ''
    const image = join(directory, 'zeus_vda.qcow2')
    expect(await stat(image)).toMatchObject({ uid: process.getuid?.(), nlink: 1 })
    expect(((await stat(image)).mode & 0o777).toString(8)).toBe('600')
    const { stdout } = await execa('qemu-img', ['info', '--output=json', image])
    expect(JSON.parse(stdout)).toMatchObject({ 'backing-filename': expect.stringMatching(/^\.\.\/\.\.\/\d{4}-\d\d-\d\d\/zeus-/) })
  })

  test('nothing of it is left in the guest but the checkpoints of the last and its parent', async () => {
    await scene.expectSettled(
      scene.guest,
      points.slice(-2).map(({ backup }) => backup.id),
    )
  })

  test('method copy makes whole images and no checkpoint', async () => {
    const synced = await scene.guest.moreRecords(3)
    const backup = await scene.backUp({ source: 'whole' })
    expect(backup).toMatchObject({ parent: null, warnings: { count: 0 } })
    const { method, images } = await detailsOf(backup)
    expect({ method, parents: images.map(({ parent }) => parent) }).toEqual({ method: 'copy', parents: [null, null, null, null] })
    await expectRecords(join(backup.directory, 'whole_vda.qcow2'), synced)
    await scene.expectSettled(
      scene.guest,
      points.slice(-2).map(({ backup }) => backup.id),
    )
  })

  test('each point is restored as it was: what had been written by then, in order, and nothing of what came after', async () => {
    const to = join(scene.guest.directory, 'restored.qcow2')
    let before = 0
    for (const { backup, synced, later } of points) {
      await restore(scene.house, backup.id, { part: 'vda', to })
      await expectSame(to, join(backup.directory, 'zeus_vda.qcow2'))
      const last = await expectRecords(to, synced)
      expect(last).toBeGreaterThan(before)
      expect(last).toBeLessThanOrEqual(later)
      before = last
      await rm(to)
    }
  }, 120_000)

  test('the newest is byte by byte what the guest has once it is off, on a disk that nobody wrote to since', async () => {
    const { guest, house } = scene
    await guest.exec([
      'sh',
      '-c',
      'kill $(cat /run/writer.pid); for place in /mnt /data; do until umount $place; do sleep 0.1; done; done',
    ])
    const { id, parent } = await scene.backUp()
    expect(parent).toBe(points.at(-1)?.backup.id)
    await guest.shutdown()
    const to = join(guest.directory, 'restored.qcow2')
    for (const { target, path } of guest.disks.filter(({ target }) => target !== 'vdd')) {
      await restore(house, id, { part: target, to })
      await expectSame(to, path)
      await rm(to)
    }
  }, 120_000)
})

async function expectSame(restored: string, original: string): Promise<void> {
  const { stdout } = await execa('qemu-img', ['compare', restored, original], { reject: false, all: true })
  expect(stdout, original).toBe('Images are identical.')
}
