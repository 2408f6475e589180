import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defineGuest, type Guest } from './guest.ts'
import { UEFI } from './guest-xml.ts'
import { type Libvirt, startLibvirt } from './libvirt.ts'
import { processesInside } from './processes.ts'
import { checkRecords, readRecords, recordOf } from './records.ts'
import { requires } from './requires.ts'
import { until } from './until.ts'

test('records are checked: number, checksum, order, and what is torn', () => {
  const text = [1, 2, 3].map(number => `${recordOf(number)}\n`).join('')
  expect(checkRecords(text)).toEqual({ count: 3, last: 3, faults: [] })
  expect(checkRecords(text.replace('\n2', '\n4')).faults).toHaveLength(1)
  expect(checkRecords(text + recordOf(5)).faults).toEqual([recordOf(5)])
  expect(checkRecords(`${text}4 ab`).faults).toEqual(['4 ab'])
  expect(checkRecords('')).toEqual({ count: 0, last: 0, faults: [] })
})

requires('libvirt')('a libvirt of its own', () => {
  describe('with a guest of two disks', () => {
    let libvirt: Libvirt
    let guest: Guest
    const disk = (index: number) => guest.disks[index]?.path ?? ''

    beforeAll(async () => {
      libvirt = await startLibvirt()
      guest = await defineGuest(libvirt, { name: 'zeus', disks: [{}, { format: 'raw' }], video: true })
      await guest.boot()
    }, 60_000)
    afterAll(() => libvirt?.stop())

    test('runs commands and says how they ended', async () => {
      expect(await guest.exec(['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({
        exitCode: 3,
        stdout: 'out\n',
        stderr: 'err\n',
      })
    })

    test('backs up both disks at one frozen moment, and every record before it is there', async () => {
      const before = await guest.moreRecords(10)
      await libvirt.virsh('domfsfreeze', 'zeus')
      expect(await guest.frozen()).toBe(true)
      await backup(libvirt, guest)
      await libvirt.virsh('domfsthaw', 'zeus')
      expect(await guest.frozen()).toBe(false)
      await until('the job ends', async () => !(await libvirt.virsh('domjobinfo', 'zeus')).includes('Unbounded'))
      const [first, second] = await Promise.all([readRecords(target(guest, 'vda')), readRecords(target(guest, 'vdb'))])
      for (const records of [first, second]) expect(records).toMatchObject({ clean: true, replayed: false, faults: [] })
      expect(second.last).toBeGreaterThanOrEqual(before)
      expect([0, 1]).toContain(first.last - second.last)
      await guest.moreRecords(1)
    })

    test('has a screen', async () => {
      const picture = join(guest.directory, 'screen.png')
      await libvirt.virsh('screenshot', 'zeus', picture)
      expect((await readFile(picture)).subarray(1, 4).toString()).toBe('PNG')
    })

    test('goes on when libvirtd is killed', async () => {
      const [daemon, qemu] = [await libvirt.pid(), await guest.qemuPid()]
      await libvirt.kill9()
      await expect(libvirt.virsh('list')).rejects.toThrow('libvirt-sock')
      await libvirt.restart()
      expect(await libvirt.pid()).not.toBe(daemon)
      expect(await guest.qemuPid()).toBe(qemu)
      await guest.waitForAgent()
      await guest.moreRecords(1)
    })

    test('loses nothing that was synced when QEMU is killed, and goes on where it was', async () => {
      const before = await guest.synced()
      await guest.kill9()
      const left = await readRecords(disk(0))
      expect(left).toMatchObject({ clean: true, replayed: true, faults: [] })
      expect(left.last).toBeGreaterThanOrEqual(before)
      await guest.boot()
      expect(await guest.synced()).toBeGreaterThanOrEqual(left.last)
      await guest.shutdown('agent')
      const [first, second] = [await readRecords(disk(0)), await readRecords(disk(1))]
      for (const records of [first, second]) expect(records).toMatchObject({ clean: true, replayed: false, faults: [] })
    }, 60_000)
  })

  test('runs guests as Debian does, and nothing of it is left', async () => {
    await using libvirt = await startLibvirt({ user: 'libvirt-qemu' })
    const guest = await defineGuest(libvirt, { name: 'hera', disks: [{ backing: 'raw' }], ignoresShutdown: true, writes: false })
    const [{ path = '', backing = '' } = {}] = guest.disks
    await guest.boot()
    const owner = (await stat(`/proc/${await guest.qemuPid()}`)).uid
    expect(owner).not.toBe(0)
    expect([(await stat(path)).uid, (await stat(backing)).uid]).toEqual([owner, owner])
    await libvirt.virsh('shutdown', 'hera', '--mode', 'acpi')
    await until('it is asked', async () => (await readFile(guest.console, 'utf8')).includes('shutdown: '))
    await guest.killAgent()
    await until('the agent ends', async () => (await readFile(guest.console, 'utf8')).includes('the agent ended'))
    await guest.waitForAgent()
    const pids = (await processesInside(await libvirt.pid())).map(({ pid }) => pid)
    expect(pids).toContain(await guest.qemuPid())
    await libvirt.stop()
    expect(pids.filter(pid => existsSync(`/proc/${pid}`))).toEqual([])
    expect(existsSync(libvirt.home)).toBe(false)
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(libvirt.home)
  }, 60_000)
})

requires('libvirt', UEFI)('a guest with UEFI', () => {
  test('is one of which libvirt makes no internal snapshot', async () => {
    await using libvirt = await startLibvirt()
    await defineGuest(libvirt, { name: 'hera', firmware: 'uefi', cdrom: 'empty', network: true })
    await expect(libvirt.virsh('snapshot-create-as', 'hera', 'first')).rejects.toThrow('pflash')
  })
})

function target({ directory }: Guest, disk: string): string {
  return join(directory, `copy-${disk}.qcow2`)
}

async function backup(libvirt: Libvirt, guest: Guest): Promise<void> {
  const disks = guest.disks.map(
    disk => `<disk name='${disk.target}' type='file'><driver type='qcow2'/><target file='${target(guest, disk.target)}'/></disk>`,
  )
  const xml = join(guest.directory, 'backup.xml')
  await writeFile(xml, `<domainbackup mode='push'><disks>${disks.join('')}</disks></domainbackup>`)
  await libvirt.virsh('backup-begin', guest.name, xml)
}
