/** A guest with a disk that is a block device: captured like any other, never written over but by a person. */
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../../../services/directory.ts'
import { guestNamed } from '../../../services/guest.ts'
import { MB, makeDisk } from '../../../services/guest-disks.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { detailsOf, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt', '/dev/loop-control')('a disk that is a block device', () => {
  const stack = new AsyncDisposableStack()
  let scene: Scene
  let device: string
  let backup: Verified
  let synced: number

  beforeAll(async () => {
    const place = stack.use(await makeDirectory())
    const { path } = await makeDisk(place.path, 'device', 'vdb', { format: 'raw', size: 32 * MB })
    device = (await execa('/usr/sbin/losetup', ['--find', '--show', path])).stdout
    stack.defer(async () => void (await execa('/usr/sbin/losetup', ['--detach', device])))
    const devices = `<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='${device}'/><target dev='vdb' bus='virtio'/></disk>`
    scene = stack.use(await openScene({ guests: [{ name: 'zeus', disks: [{ size: 64 * MB }], devices }] }))
    synced = await scene.guest.moreRecords(3)
    backup = await scene.backUp()
    await scene.guest.exec(['sh', '-c', 'echo since > /data/since; sync'])
  }, 60_000)
  afterAll(() => stack.disposeAsync())

  const commands = async (title: string) => {
    const text = await readFile(join(backup.directory, 'RESTORE.md'), 'utf8')
    const section = text.split(/^## /m).find(part => part.startsWith(title))
    return /```bash\n(.*?)```/s.exec(section ?? '')?.[1] ?? ''
  }
  const follow = async (title: string, env: Record<string, string>) =>
    await execa('bash', ['-c', await commands(title)], {
      cwd: backup.directory,
      env: { ...env, PATH: `${process.env.PATH}:/usr/sbin` },
    })
  const blocks = (name: string, ...flags: string[]) => scene.libvirt.virsh('domblklist', name, '--details', ...flags)

  test('is in the backup, whole, with what was synced, and counted beforehand', async () => {
    const { images } = await detailsOf(backup)
    expect(images.map(({ target, device }) => ({ target, device }))).toEqual([
      { target: 'vda', device: undefined },
      { target: 'vdb', device: true },
    ])
    expect(images[1]).toMatchObject({ source: device, capacity: 32 * MB, parent: null })
    expect(backup.snapshot.expected).toBeGreaterThan(1 * MB)
    const records = await readRecords(join(backup.directory, 'zeus_vdb.qcow2'))
    expect(records).toMatchObject({ clean: true, faults: [] })
    expect(records.last).toBeGreaterThanOrEqual(synced)
  })

  test('is not restored in place: the guest goes on, and the refusal has the command', async () => {
    for (const part of [undefined, 'vdb'])
      await expect(restore(scene.house, backup.id, { ...(part && { part }) })).rejects.toMatchObject({
        message: `vdb of zeus is the block device ${device}: what is on it cannot be moved aside`,
        hint: expect.stringContaining(`qemu-img convert -n -f qcow2 -O raw zeus_vdb.qcow2 ${device}`),
      })
    expect(await scene.guest.state()).toBe('running')
  })

  test('stays one in a definition that is restored', async () => {
    await restore(scene.house, backup.id, { part: 'xml' })
    expect(await blocks('zeus', '--inactive')).toMatch(new RegExp(`block +disk +vdb +${device}`))
  })

  test('is a file of a copy, by Holdfast and by hand', async () => {
    await restore(scene.house, backup.id, { to: 'zeus-copy' })
    await follow('Restore under another name', { name: 'zeus-two' })
    for (const name of ['zeus-copy', 'zeus-two']) {
      const file = join(scene.guest.directory, `${name}_vdb.raw`)
      expect(await blocks(name)).toMatch(new RegExp(`file +disk +vdb +${file}`))
      expect((await readRecords(file)).last).toBeGreaterThanOrEqual(synced)
      await guestNamed(scene.libvirt, name).start('--paused')
      await guestNamed(scene.libvirt, name).destroy()
      await scene.libvirt.virsh('undefine', name)
    }
    expect(existsSync('/dev/zeus-copy_vdb.raw')).toBe(false)
    await rm('/var/tmp/zeus-two.xml')
  }, 30_000)

  test('is copied as it lies while the guest is off', async () => {
    await scene.guest.shutdown()
    const off = await scene.backUp()
    expect(await detailsOf(off)).toMatchObject({ method: 'convert' })
    expect((await readRecords(join(off.directory, 'zeus_vdb.qcow2'))).last).toBeGreaterThanOrEqual(synced)
  }, 30_000)

  test('is written over by hand, once what was on it is kept', async () => {
    const keep = scene.guest.directory
    await follow('Restore in place', { keep })
    await scene.guest.waitForAgent()
    expect((await scene.guest.exec(['ls', '/data'])).stdout).not.toContain('since')
    const kept = join(keep, 'zeus_vdb.qcow2.before-restore.qcow2')
    const { stdout } = await execa('/usr/sbin/debugfs', ['-R', 'cat /since', await asRaw(kept)])
    expect(stdout).toBe('since')
    expect((await scene.backUp()).parent).toBeNull()
  }, 60_000)
})

async function asRaw(image: string): Promise<string> {
  await execa('qemu-img', ['convert', '-O', 'raw', image, `${image}.raw`])
  return `${image}.raw`
}
