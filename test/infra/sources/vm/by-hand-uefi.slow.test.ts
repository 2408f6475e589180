/** RESTORE.md of a guest with UEFI variables whose only disk is raw, word for word. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MB } from '../../../services/guest-disks.ts'
import { UEFI } from '../../../services/guest-xml.ts'
import { requires } from '../../../services/requires.ts'
import { openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt', UEFI)('RESTORE.md of a guest with UEFI and a raw disk', () => {
  let scene: Scene
  let backup: Verified
  let nvram: string
  let disk: string

  beforeAll(async () => {
    scene = await openScene({
      guests: [{ name: 'ares', disks: [{ size: 16 * MB, format: 'raw' }], firmware: 'uefi', agent: 'absent', writes: false }],
    })
    nvram = join(scene.guest.directory, 'ares.nvram.fd')
    disk = scene.guest.disks[0]?.path ?? ''
    backup = await scene.backUp()
    await scene.guest.destroy()
  }, 90_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const kept = (artifact: string) => readFile(join(backup.directory, artifact))
  const asRaw = async () => {
    const raw = join(scene.guest.directory, 'kept.raw')
    await execa('qemu-img', ['convert', '-O', 'raw', join(backup.directory, 'ares_vda.qcow2'), raw])
    return await readFile(raw)
  }

  async function follow(title: string, env: Record<string, string> = {}): Promise<string> {
    const text = await readFile(join(backup.directory, 'RESTORE.md'), 'utf8')
    const section = text.split(/^## /m).find(part => part.startsWith(title))
    const commands = /```bash\n(.*?)```/s.exec(section ?? '')?.[1]
    if (!commands) throw new Error(`RESTORE.md has no commands for ${title}`)
    return (await execa('bash', ['-c', commands], { cwd: backup.directory, env })).stdout
  }

  test('looks at it', async () => {
    expect(await follow('Look')).toContain('No errors were found')
  })

  test('gives a copy variables and a disk of its own', async () => {
    await follow('Restore under another name', { name: 'ares-two' })
    await rm('/var/tmp/ares-two.xml')
    const variables = join(scene.guest.directory, 'ares-two_VARS.fd')
    expect((await readFile(variables)).equals(await kept('ares_nvram.fd'))).toBe(true)
    const copy = join(scene.guest.directory, 'ares-two_vda.raw')
    expect((await readFile(copy)).equals(await asRaw())).toBe(true)
    const xml = await scene.libvirt.virsh('dumpxml', 'ares-two', '--inactive')
    expect(xml).toContain(`>${variables}</nvram>`)
    expect(xml).toContain(`<source file='${copy}'/>`)
    expect(xml).not.toContain(nvram)
    await scene.libvirt.virsh('undefine', 'ares-two', '--nvram')
  }, 30_000)

  test('puts variables and disk back, and what was there aside', async () => {
    await writeFile(nvram, 'spoiled')
    await writeFile(disk, 'spoiled')
    await follow('Restore in place')
    expect(await scene.guest.state()).toBe('running')
    for (const path of [nvram, disk]) expect(await readFile(`${path}.before-restore`, 'utf8')).toBe('spoiled')
    expect((await stat(nvram)).size).toBe((await kept('ares_nvram.fd')).length)
    expect((await stat(disk)).size).toBe(16 * MB)
  }, 30_000)
})
