/** Jobs of somebody else that end between the end of ours and the look at it: libvirt remembers the last one, and no name of it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { type Jobs, jobsOf } from './jobs.ts'
import { verbsOf } from './verbs.ts'

requires('libvirt')("a job of somebody else's that ends after ours", () => {
  let libvirt: Libvirt
  let guest: Guest
  let jobs: Jobs
  let place: Directory
  let count = 0

  beforeAll(async () => {
    place = await makeDirectory()
    libvirt = await startLibvirt()
    // The second is what a job that a test slows is busy with.
    const disks = [{ size: 64 * MB }, { size: 2048 * MB, filled: 1024 * MB }]
    guest = await defineGuest(libvirt, { name: 'zeus', agent: 'absent', writes: false, disks })
    await guest.start()
    jobs = jobsOf(libvirt, guest)
  }, 60_000)
  afterAll(async () => {
    await libvirt?.stop()
    await place?.remove()
  })

  const ended = () => until('no job runs', async () => !(await jobs.running()), { seconds: 30 })
  const settingOf = (change: object = {}) => {
    count += 1
    const id = `zeus-20261121T0200${String(count).padStart(2, '0')}Z`
    return {
      root: join(place.path, String(count)),
      id,
      options: { uri: libvirt.uri, quiesce: 'never', excludeDisks: ['vdb'], ...change },
    }
  }
  const beginTheirs = async () => {
    const directory = join(place.path, `theirs-${count}`)
    await mkdir(directory)
    const target = `<target file='${join(directory, 'vda')}'/><driver type='qcow2'/>`
    const text = `<domainbackup mode='push'><disks><disk name='vda' type='file' backupmode='full'>${target}</disk></disks></domainbackup>`
    await writeFile(join(directory, 'backup.xml'), text)
    await libvirt.virsh('backup-begin', 'zeus', join(directory, 'backup.xml'))
  }

  test('theirs ended well, and ours did not: that is no backup', async () => {
    const verbs = verbsOf(settingOf({ excludeDisks: [] }), await jobs.slow())
    const held = await verbs.snapshot()
    await libvirt.virsh('domjobabort', 'zeus')
    await ended()
    await beginTheirs()
    await ended()
    expect(await libvirt.virsh('domjobinfo', 'zeus', '--completed', '--keep-completed', '--rawstats')).toContain('success: 1')
    await expect(verbs.export(held)).rejects.toMatchObject({
      message: expect.stringMatching(/did not end well: its images are gone, and another job ended after it/),
      retryable: false,
    })
    await verbs.release(held)
    expect(await jobs.checkpoints()).toBe('')
  }, 30_000)

  test('both ended well: ours is a backup', async () => {
    const verbs = verbsOf(settingOf())
    const held = await verbs.snapshot()
    await ended()
    await beginTheirs()
    await ended()
    expect((await verbs.export(held)).artifacts).toContainEqual({ name: 'zeus_vda.qcow2' })
    await verbs.release(held)
  }, 30_000)

  test('theirs did not end well: nobody can say it of ours, and it does not count', async () => {
    const verbs = verbsOf(settingOf())
    const held = await verbs.snapshot()
    await ended()
    await verbsOf({ ...settingOf({ excludeDisks: [] }), root: join(place.path, 'theirs') }, await jobs.slow()).snapshot()
    await libvirt.virsh('domjobabort', 'zeus')
    await ended()
    await expect(verbs.export(held)).rejects.toThrow(/unless that was a job of somebody else/)
    await verbs.release(held)
  }, 30_000)

  test('a job of another kind says nothing of ours', async () => {
    const verbs = verbsOf(settingOf())
    const held = await verbs.snapshot()
    await ended()
    const memory = join(place.path, 'memory')
    await libvirt.virsh('save', 'zeus', memory)
    await libvirt.virsh('restore', memory)
    await expect(verbs.export(held)).rejects.toThrow(/did not end well: another job ended after it/)
    await verbs.release(held)
  }, 30_000)
})
