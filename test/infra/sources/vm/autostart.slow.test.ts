/** What libvirt knows of a domain besides its XML: whether it starts with its host. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { detailsOf, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a domain that starts with its host', () => {
  let scene: Scene
  let backup: Verified

  beforeAll(async () => {
    const guest = { name: 'zeus', agent: 'absent' as const, disks: [{ size: 16 * MB }] }
    scene = await openScene({ guests: [guest], sources: { zeus: { quiesce: 'never' } } })
    await scene.libvirt.virsh('autostart', 'zeus')
    await scene.guest.destroy()
    backup = await scene.backUp()
  }, 60_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const startsWithHost = async (name: string) => /^Autostart: +enable/m.test(await scene.libvirt.virsh('dominfo', name))

  test('is one again where it was gone, by Holdfast or by hand', async () => {
    expect(await detailsOf(backup)).toMatchObject({ autostart: true })
    await scene.libvirt.virsh('undefine', 'zeus')
    await restore(scene.house, backup.id)
    expect(await startsWithHost('zeus')).toBe(true)
    await scene.libvirt.virsh('undefine', 'zeus')
    await restore(scene.house, backup.id, { part: 'xml' })
    expect(await startsWithHost('zeus')).toBe(true)
    expect(await readFile(join(backup.directory, 'RESTORE.md'), 'utf8')).toContain(`"\${virsh[@]}" autostart zeus\n`)
  }, 30_000)

  test('keeps what it has where it is there', async () => {
    await scene.libvirt.virsh('autostart', 'zeus', '--disable')
    await restore(scene.house, backup.id)
    expect(await startsWithHost('zeus')).toBe(false)
  }, 30_000)

  test('has a copy that does not: both would come up beside each other', async () => {
    const { targets } = await restore(scene.house, backup.id, { to: 'zeus-copy' })
    expect(await startsWithHost('zeus-copy')).toBe(false)
    await scene.libvirt.virsh('undefine', 'zeus-copy')
    for (const path of targets) await rm(path)
  }, 30_000)
})
