/** Guests that are shut down for their backup, or were off: what is captured, and that they end as they began. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { killIn, type Setting, verbsOf } from './verbs.ts'

const id = 'zeus-20261121T020000Z'

requires('libvirt')('offline', () => {
  let libvirt: Libvirt
  let guest: Guest
  let place: Awaited<ReturnType<typeof makeDirectory>>
  let setting: Setting
  const offline = (more: object = {}): Setting => ({
    ...{ root: place.path, id },
    options: { uri: libvirt.uri, mode: 'offline', ...more },
  })

  beforeAll(async () => {
    libvirt = await startLibvirt()
    guest = await defineGuest(libvirt, { name: 'zeus', disks: [{}, { format: 'raw' }] })
    await guest.boot()
  }, 120_000)
  afterAll(() => libvirt?.stop())
  beforeEach(async () => {
    place = await makeDirectory()
    onTestFinished(place.remove)
    setting = offline()
  })

  const expectSettled = async (state: string) => {
    expect(await guest.state()).toBe(state)
    expect(await libvirt.virsh('checkpoint-list', 'zeus', '--name')).toBe('')
    expect((await readdir(setting.root)).filter(name => name.startsWith('.vm-'))).toEqual([])
  }
  /** As it was when it was off: unmounted, and every record that was written is there. */
  const expectClosed = async (directory: string, synced: number) => {
    for (const target of ['vda', 'vdb']) {
      const records = await readRecords(join(directory, `zeus_${target}.qcow2`))
      expect(records).toMatchObject({ clean: true, replayed: false, faults: [] })
      expect(records.last).toBeGreaterThanOrEqual(synced)
    }
  }

  test('a guest is shut down, captured as it was then, and runs again before its disks are copied', async () => {
    const verbs = verbsOf(setting)
    const synced = await guest.synced()
    const held = await verbs.snapshot()
    expect(held.consistency.achieved).toBe('filesystem')
    expect(held.held).toMatchObject({ mode: 'offline', method: 'incremental', ran: true, downtime: expect.any(Number) })
    expect(held.held).not.toHaveProperty('stopped')
    await guest.waitFor('running')
    await guest.waitForAgent()
    await verbs.export(held)
    await expectClosed(verbs.directory, synced)
    await verbs.release(held)
    await expectSettled('running')
  }, 120_000)

  test.each([
    ['after it was asked to shut down', { when: 'after', command: 'shutdown --domain=zeus' }],
    ['after its job began', { when: 'after', command: 'backup-begin --domain=zeus' }],
  ] as const)('killed %s: release lets it run, and nothing is left', { timeout: 120_000 }, async (_, point) => {
    await killIn('snapshot', point, setting)
    await verbsOf(setting).abandon()
    await expectSettled('running')
    await guest.waitForAgent()
  })

  test.each([
    ['before it was started', { when: 'before', command: 'start --domain=zeus --paused' }],
    ['before it was let run', { when: 'before', command: 'resume --domain=zeus' }],
  ] as const)('killed %s: a second try captures it as it was off', { timeout: 120_000 }, async (_, point) => {
    const synced = await guest.synced()
    await killIn('snapshot', point, setting)
    expect(await guest.state()).not.toBe('running')
    const verbs = verbsOf(setting)
    const held = await verbs.snapshot()
    expect(held).toMatchObject({ consistency: { achieved: 'filesystem' }, held: { mode: 'offline', ran: true } })
    await guest.waitForAgent()
    await verbs.export(held)
    await expectClosed(verbs.directory, synced)
    await verbs.release(held)
    await expectSettled('running')
  })

  test('one that cannot be started again is copied as it lies, and release does not give up on it', async () => {
    const verbs = verbsOf(setting)
    const text = await readFile(guest.xml, 'utf8')
    await writeFile(`${guest.xml}.broken`, text.replace(/<kernel>.*<\/kernel>/, '<kernel>/nowhere</kernel>'))
    await libvirt.virsh('define', `${guest.xml}.broken`)
    const synced = await guest.synced()
    const held = await verbs.snapshot()
    expect(verbs.warnings).toEqual([expect.stringContaining('cannot be started')])
    await verbs.export(held)
    await expectClosed(verbs.directory, synced)
    await expect(verbs.release(held)).rejects.toThrow('/nowhere')
    await libvirt.virsh('define', guest.xml)
    await verbs.release(held)
    await expectSettled('running')
    await guest.waitForAgent()
  }, 120_000)

  test('one that was off is copied closed, and left off whoever is killed', async () => {
    const synced = await guest.synced()
    await guest.shutdown()
    await killIn('snapshot', { when: 'after', command: 'domstate --domain=zeus --reason' }, offline({ mode: 'auto' }))
    const verbs = verbsOf(offline({ mode: 'auto' }))
    const held = await verbs.snapshot()
    expect(held).toMatchObject({
      consistency: { achieved: 'filesystem' },
      held: { mode: 'offline', method: 'convert', ran: false },
    })
    await killIn('export', { when: 'after', command: 'qemu-img convert' }, setting, held)
    await verbs.export(held)
    await expectClosed(verbs.directory, synced)
    await verbs.release(held)
    await verbs.release(held)
    await expectSettled('shut off')
  }, 120_000)

  test('one that is started while its closed disks are copied makes no backup', async () => {
    const verbs = verbsOf(setting)
    const held = await verbs.snapshot()
    await guest.boot()
    await expect(verbs.export(held)).rejects.toThrow('was started while its disks were copied')
    await verbs.release(held)
    await expectSettled('running')
  }, 120_000)
})

requires('libvirt')('a guest that ignores shutdown', () => {
  let libvirt: Libvirt
  let guest: Guest
  let place: Awaited<ReturnType<typeof makeDirectory>>

  beforeAll(async () => {
    libvirt = await startLibvirt()
    guest = await defineGuest(libvirt, { name: 'zeus', ignoresShutdown: true })
    await guest.boot()
    place = await makeDirectory()
  }, 120_000)
  afterAll(async () => {
    await libvirt?.stop()
    await place?.remove()
  })
  const verbs = (unwilling: string, shutdownLimit = '1s') =>
    verbsOf({ root: place.path, id, options: { uri: libvirt.uri, mode: 'offline', shutdownLimit, unwilling } })

  test('fails the backup, and runs on', async () => {
    await expect(verbs('fail').snapshot()).rejects.toThrow('zeus did not shut down within 1s, and is never forced to')
    await verbs('fail').abandon()
    expect(await guest.state()).toBe('running')
    expect(await readdir(place.path)).toEqual([])
  })

  test('is captured as it runs where that is configured, with a warning', async () => {
    const live = verbs('live')
    const synced = await guest.synced()
    const held = await live.snapshot()
    expect(live.warnings).toEqual([expect.stringContaining('captured as it runs')])
    expect(held).toMatchObject({ consistency: { achieved: 'filesystem' }, held: { mode: 'live' } })
    await live.export(held)
    const records = await readRecords(join(live.directory, 'zeus_vda.qcow2'))
    expect(records).toMatchObject({ clean: true, replayed: false, faults: [] })
    expect(records.last).toBeGreaterThanOrEqual(synced)
    await live.release(held)
    expect(await guest.state()).toBe('running')
  })

  test('whose QEMU is killed meanwhile makes a backup that says it is crash-consistent', async () => {
    const patient = verbs('fail', '1m')
    const synced = await guest.synced()
    const asked = patient.snapshot()
    asked.catch(() => undefined)
    const note = join(place.path, `.vm-${id}`, 'held.json')
    await until('it was asked to shut down', async () => (await readFile(note, 'utf8')).includes('"stopped"'))
    process.kill(await guest.qemuPid(), 'SIGKILL')
    const held = await asked
    expect(patient.warnings).toEqual([expect.stringContaining('did not end by its shutdown (libvirt says: crashed)')])
    expect(held).toMatchObject({ consistency: { asked: 'filesystem', achieved: 'crash' }, held: { mode: 'offline', ran: true } })
    await patient.export(held)
    const records = await readRecords(join(patient.directory, 'zeus_vda.qcow2'))
    expect(records).toMatchObject({ clean: true, faults: [] })
    expect(records.last).toBeGreaterThanOrEqual(synced)
    await patient.release(held)
    expect(await guest.state()).toBe('running')
  }, 60_000)
})
