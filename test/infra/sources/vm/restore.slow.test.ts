import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { guestNamed } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { detailsOf, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a chain of a guest', () => {
  let scene: Scene
  const points: { backup: Verified; synced: number }[] = []

  beforeAll(async () => {
    scene = await openScene({ guests: [{ name: 'zeus', disks: [{ size: 256 * MB }, { size: 64 * MB }] }] })
    for (const name of ['one', 'two', 'three']) {
      await scene.guest.exec(['sh', '-c', `echo ${name} > /mnt/marker; sync`])
      const synced = await scene.guest.moreRecords(5)
      points.push({ backup: await scene.backUp(), synced })
    }
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const point = (index: number) => {
    const found = points[index]
    if (!found) throw new Error(`no point ${index}`)
    return found
  }
  const marker = async () => (await scene.guest.exec(['cat', '/mnt/marker'])).stdout.trim()
  const checkpoints = async () => (await scene.libvirt.virsh('checkpoint-list', 'zeus', '--name')).split('\n').filter(Boolean)

  test('is one, and every point of it opens as a whole', async () => {
    expect(points.map(({ backup }) => backup.parent)).toEqual([null, point(0).backup.id, point(1).backup.id])
    expect(point(2).backup.checks.map(({ name }) => name)).toEqual(['checksums', 'domain', 'zeus_vda.qcow2', 'zeus_vdb.qcow2'])
    expect(point(2).backup.checks.at(-1)?.result).toContain('over 2 older images')
  })

  test('a copy under another name is defined beside it, holds what the point held, and boots', async () => {
    const { backup, synced } = point(1)
    const { targets, checks } = await restore(scene.house, backup.id, { to: 'zeus-copy' })
    const [vda = '', vdb = ''] = ['vda', 'vdb'].map(target => join(scene.guest.directory, `zeus-copy_${target}.qcow2`))
    expect(targets).toEqual([vda, vdb])
    expect(checks.at(-1)?.result).toContain('virsh start zeus-copy')
    const records = await readRecords(vda)
    expect(records).toMatchObject({ clean: true, replayed: false, faults: [] })
    expect(records.last).toBeGreaterThanOrEqual(synced)
    expect(await scene.guest.state()).toBe('running')
    const copy = guestNamed(scene.libvirt, 'zeus-copy')
    expect(await copy.state()).toBe('shut off')
    expect(await scene.libvirt.virsh('domuuid', 'zeus-copy')).not.toBe(scene.guest.uuid)
    await expect(restore(scene.house, backup.id, { to: 'zeus-copy' })).rejects.toThrow('has a domain zeus-copy already')
    await copy.boot()
    expect((await copy.exec(['cat', '/mnt/marker'])).stdout.trim()).toBe('two')
    await copy.destroy()
    await scene.libvirt.virsh('undefine', 'zeus-copy')
    await expect(restore(scene.house, backup.id, { to: 'zeus-copy' })).rejects.toThrow(`${vda} is there already`)
    await Promise.all([vda, vdb].map(path => rm(path)))
  }, 60_000)

  test('a disk or the definition alone goes to a file; what is no part is refused', async () => {
    const { id } = point(2).backup
    const to = join(scene.guest.directory, 'alone.qcow2')
    expect(await restore(scene.house, id, { part: 'vda', to })).toMatchObject({ targets: [to], aside: [] })
    expect((await readRecords(to)).last).toBeGreaterThanOrEqual(point(2).synced)
    expect((await stat(to)).mode & 0o077).toBe(0)
    await rm(to)
    const xml = join(scene.guest.directory, 'alone.xml')
    await restore(scene.house, id, { part: 'xml', to: xml })
    expect(await readFile(xml, 'utf8')).toContain(`<uuid>${scene.guest.uuid}</uuid>`)
    await expect(restore(scene.house, id, { part: 'xml', to: xml })).rejects.toThrow('is there already')
    await expect(restore(scene.house, id, { part: 'vdx' })).rejects.toMatchObject({ hint: 'There is: vda, vdb, xml.' })
  }, 60_000)

  test('in place the guest is shut down, goes back to the point, runs and answers; the next backup is a full one', async () => {
    const before = await stat(scene.guest.disks[0]?.path ?? '')
    const { aside, checks, warnings } = await restore(scene.house, point(0).backup.id)
    expect({ aside, warnings }).toEqual({ aside: [], warnings: [] })
    expect(checks.at(-1)).toMatchObject({ name: 'guest', result: expect.stringMatching(/^its agent answered/) })
    expect(await marker()).toBe('one')
    const after = await stat(scene.guest.disks[0]?.path ?? '')
    expect({ uid: after.uid, gid: after.gid, mode: after.mode }).toEqual({ uid: before.uid, gid: before.gid, mode: before.mode })
    expect(await checkpoints()).toEqual([])
    expect((await scene.backUp()).parent).toBeNull()
  }, 60_000)

  test('one disk in place', async () => {
    const { aside, targets } = await restore(scene.house, point(1).backup.id, { part: 'vda' })
    expect({ aside, targets }).toEqual({ aside: [], targets: [scene.guest.disks[0]?.path] })
    expect(await marker()).toBe('two')
    expect(await checkpoints()).toEqual([])
    expect((await scene.backUp()).parent).toBeNull()
  }, 60_000)

  test('the definition alone, under a guest that goes on running', async () => {
    await scene.libvirt.virsh('setmaxmem', 'zeus', '300M', '--config')
    const { checks } = await restore(scene.house, point(1).backup.id, { part: 'xml' })
    expect(checks.at(-1)?.result).toContain('from its next start on')
    expect(await scene.guest.state()).toBe('running')
    expect(await scene.libvirt.virsh('dumpxml', 'zeus', '--inactive')).toContain("<memory unit='KiB'>262144</memory>")
  })

  test('a guest that cannot be started on what was restored gets its old disks and definition back', async () => {
    await scene.guest.exec(['sh', '-c', 'echo four > /mnt/marker; sync'])
    const { directory } = scene.guest
    const gone = join(directory, 'console')
    execFileSync('mkdir', [gone])
    const xml = await scene.libvirt.virsh('dumpxml', 'zeus', '--inactive')
    await scene.house.tools.host('local').write(join(directory, 'moved.xml'), xml.replace('zeus.console', 'console/zeus.console'))
    await scene.libvirt.virsh('define', join(directory, 'moved.xml'))
    const { id } = await scene.backUp()
    await scene.libvirt.virsh('define', scene.guest.xml)
    await rm(gone, { recursive: true })
    await expect(restore(scene.house, id)).rejects.toThrow(/rolled back: .*console/s)
    await scene.guest.waitForAgent()
    expect(await marker()).toBe('four')
    expect(await scene.libvirt.virsh('dumpxml', 'zeus', '--inactive')).not.toContain('console/zeus.console')
  }, 90_000)

  test('a guest that is gone with its disks comes back as itself', async () => {
    await scene.guest.destroy()
    await scene.libvirt.virsh('undefine', 'zeus', '--checkpoints-metadata')
    for (const { path } of scene.guest.disks) await rm(path)
    const { targets } = await restore(scene.house, point(2).backup.id)
    expect(targets.every(existsSync)).toBe(true)
    expect(await scene.libvirt.virsh('domuuid', 'zeus')).toBe(scene.guest.uuid)
    expect(await marker()).toBe('three')
    expect((await detailsOf(point(2).backup)).uuid).toBe(scene.guest.uuid)
  }, 60_000)
})
