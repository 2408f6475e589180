/** A running guest, captured through the whole chain. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a running guest', () => {
  let scene: Scene
  const points: { backup: Verified; synced: number }[] = []

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
  }, 60_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  test('its first backup is a full one', async () => {
    const synced = await scene.guest.moreRecords(3)
    const backup = await scene.backUp()
    expect(backup).toMatchObject({ parent: null, consistency: { asked: 'filesystem', achieved: 'filesystem' } })
    expect(backup.warnings).toEqual({ count: 0, first: [] })
    expect(backup.snapshot.tools).toEqual({ libvirt: expect.anything(), qemu: expect.anything(), 'qemu-img': expect.anything() })
    points.push({ backup, synced })
  })

  test('five more hold what changed in one disk, and the raw one whole', async () => {
    for (let count = 0; count < 5; count++) {
      const synced = await scene.guest.moreRecords(3)
      points.push({ backup: await scene.backUp(), synced })
    }
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
  }, 60_000)

  test('each of them opens by itself, at its own moment, the same on all disks', async () => {
    for (const { backup, synced } of points) {
      const first = await expectRecords(join(backup.directory, 'zeus_vda.qcow2'), synced)
      const second = await expectRecords(join(backup.directory, 'zeus_vdb.qcow2'), synced - 1)
      expect([0, 1]).toContain(first - second)
    }
  }, 60_000)

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
})
