import { afterAll, beforeAll, expect, test } from 'vitest'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { expectRecords, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a snapshot inside the disks', () => {
  let scene: Scene
  let outside: Verified
  let inside: Verified
  let synced: number

  beforeAll(async () => {
    scene = await openScene({ guests: [{ name: 'zeus', disks: [{ size: 128 * MB }] }] })
    await write('outside')
    outside = await scene.backUp()
    await write('inside')
    synced = await scene.guest.moreRecords(2)
    inside = await scene.backUp({ mode: 'snapshot' })
    await write('since')
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  async function write(text: string): Promise<void> {
    await scene.guest.exec(['sh', '-c', `echo ${text} > /mnt/marker; sync`])
  }
  const marker = async () => (await scene.guest.exec(['cat', '/mnt/marker'])).stdout.trim()
  const names = async (list: string) => (await scene.libvirt.virsh(list, 'zeus', '--name')).split('\n').filter(Boolean)

  test('is gone back to, with a warning of what is lost; nothing of it can be copied', async () => {
    await expect(restore(scene.house, inside.id, { to: 'zeus-copy' })).rejects.toThrow('there is nothing to copy')
    const { targets, checks, warnings } = await restore(scene.house, inside.id)
    expect({ targets, last: checks.at(-1)?.name }).toEqual({ targets: [], last: 'guest' })
    expect(warnings).toEqual([expect.stringContaining('what it did since is lost')])
    expect(await marker()).toBe('inside')
    expect(await names('checkpoint-list')).toEqual([])
  }, 120_000)

  test('holds every record that was synced before it, and its guest writes on from there on a sound file system', async () => {
    const { guest } = scene
    const later = await guest.moreRecords(2)
    await guest.shutdown()
    await expectRecords(guest.disks[0]?.path ?? '', Math.max(later, synced + 2))
    await guest.boot()
  }, 120_000)

  test('is lost with the disks that a restore replaces, and libvirt is told', async () => {
    await scene.libvirt.virsh('snapshot-create-as', 'zeus', '--name', 'by-hand')
    const { warnings } = await restore(scene.house, outside.id)
    expect(warnings).toEqual([expect.stringContaining('by-hand')])
    expect(await marker()).toBe('outside')
    expect(await names('snapshot-list')).toEqual(['by-hand'])
    await expect(restore(scene.house, inside.id)).rejects.toThrow(/no snapshot/)
  }, 120_000)
})
