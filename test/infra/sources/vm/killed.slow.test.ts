/** What is killed, or runs out of space, in the middle of a live capture: the guest goes on, and the next try ends it well. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import type { Held } from '../../../../infra/sources/source.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { type Jobs, jobsOf } from './jobs.ts'
import { expectRecords } from './scene.ts'
import { killIn, type Point, type Setting, verbsOf } from './verbs.ts'

/** What a job copies while a test slows it. */
const bulk = { size: 2048 * MB, filled: 1024 * MB }

requires('libvirt')('a capture that is cut off', () => {
  let libvirt: Libvirt
  let guest: Guest
  let place: Directory
  let cramped: Directory
  let jobs: Jobs
  let count = 0

  beforeAll(async () => {
    // QEMU sees only what was mounted before.
    cramped = await makeDirectory({ tmpfs: '32m' })
    libvirt = await startLibvirt()
    guest = await defineGuest(libvirt, { name: 'zeus', disks: [{ size: 64 * MB }, { size: 64 * MB }, bulk] })
    await guest.boot()
    jobs = jobsOf(libvirt, guest)
    place = await makeDirectory()
  }, 120_000)
  afterAll(async () => {
    await libvirt?.stop()
    await place?.remove()
    await cramped?.remove()
  })

  // A test that fails leaves no job to the next one.
  afterEach(async () => {
    if (await jobs.running()) await libvirt.virsh('domjobabort', 'zeus')
  })

  const next = (change: object = {}): Setting => {
    count += 1
    const id = `zeus-20261121T0200${String(count).padStart(2, '0')}Z`
    return { root: join(place.path, String(count)), id, options: { uri: libvirt.uri, excludeDisks: ['vdc'], ...change } }
  }
  const expectFinished = async (setting: Setting, synced: number, frozen = true) => {
    const verbs = verbsOf(setting)
    const held = await verbs.snapshot()
    expect(held.consistency.achieved).toBe(frozen ? 'filesystem' : 'crash')
    await verbs.export(held)
    await expectRecords(join(verbs.directory, 'zeus_vda.qcow2'), synced, frozen)
    await verbs.release(held)
    await expectUntouched(setting)
  }
  const expectUntouched = async ({ root }: Setting) => {
    expect(await guest.state()).toBe('running')
    expect(await guest.frozen()).toBe(false)
    expect(await jobs.running()).toBe(false)
    expect((await readdir(root)).filter(name => name.startsWith('.vm-'))).toEqual([])
    await guest.moreRecords(1)
  }

  describe('the worker, in snapshot', () => {
    test.each<Point>([
      { when: 'before', command: 'domfsfreeze' },
      { when: 'after', command: 'domfsfreeze' },
      { when: 'after', command: 'backup-begin' },
      { when: 'after', command: 'domfsthaw --domain=zeus' },
    ])(
      '$when $command',
      async point => {
        const setting = next()
        const synced = await guest.moreRecords(1)
        await killIn('snapshot', point, setting)
        await expectFinished(setting, synced, !point.command.includes('thaw'))
        expect(await jobs.checkpoints()).toBe('')
      },
      60_000,
    )

    test('and nobody comes back: the watchdog thaws the guest, and abandon lets go of the rest', async () => {
      const setting = next({ freezeLimit: '2s' })
      await killIn('snapshot', { when: 'after', command: 'backup-begin' }, setting)
      await until('the watchdog thaws', async () => !(await guest.frozen()), { seconds: 30 })
      expect(await jobs.checkpoints()).toBe(setting.id)
      await verbsOf(setting).abandon()
      await verbsOf(setting).abandon()
      expect(await jobs.checkpoints()).toBe('')
      await expectUntouched(setting)
    }, 60_000)
  })

  describe('while the job runs', () => {
    test.each<Point>([
      { when: 'after', command: 'backup-dumpxml' },
      { when: 'before', command: 'ln -f' },
      { when: 'after', command: 'rebase' },
    ])(
      'the worker, in export, $when $command',
      async point => {
        const setting = next({ excludeDisks: [] })
        const synced = await guest.moreRecords(1)
        const held = await verbsOf(setting, await jobs.slow()).snapshot()
        expect(await jobs.running()).toBe(true)
        if (point.command !== 'backup-dumpxml') await jobs.letGo()
        await killIn('export', point, setting, held)
        await jobs.letGo()
        await expectFinished(setting, synced)
      },
      60_000,
    )

    test('libvirtd: the job goes on, and export finds it', async () => {
      const setting = next({ excludeDisks: [] })
      const synced = await guest.moreRecords(1)
      const verbs = verbsOf(setting, await jobs.slow())
      const held = await verbs.snapshot()
      await libvirt.kill9()
      await libvirt.restart()
      expect(await jobs.running()).toBe(true)
      await jobs.letGo()
      await verbs.export(held)
      await expectRecords(join(verbs.directory, 'zeus_vda.qcow2'), synced)
      await verbs.release(held)
      await expectUntouched(setting)
    }, 60_000)

    test('the worker, in release: a job that nobody wants ends, and its checkpoint goes', async () => {
      const setting = next({ excludeDisks: [] })
      const held = await verbsOf(setting, await jobs.slow()).snapshot()
      await killIn('release', { when: 'after', command: 'domjobabort' }, setting, held)
      await verbsOf(setting).release(held)
      await verbsOf(setting).release(held)
      expect(await jobs.checkpoints()).toBe('')
      await expectUntouched(setting)
    }, 60_000)

    test('a job of somebody else is not touched, and named', async () => {
      const setting = next({ excludeDisks: [] })
      const theirs = verbsOf(setting, await jobs.slow())
      const held = await theirs.snapshot()
      await expect(verbsOf(next()).snapshot()).rejects.toThrow(/zeus has a job that is not ours/)
      expect(await jobs.running()).toBe(true)
      await theirs.release(held)
    }, 60_000)

    test('a target that fills up: the backup fails and says why, nothing of it stays, and the next one is good', async () => {
      await guest.fill(24 * MB, '/data/bulk')
      const setting = { ...next({ excludeDisks: ['vda', 'vdc'] }), root: cramped.path }
      const filler = join(cramped.path, 'filler')
      const filling: Host = {
        ...localHost(),
        async run(argv, options) {
          if (argv.includes('backup-begin')) await localHost().run(['fallocate', '-l', String(16 * MB), filler])
          return await localHost().run(argv, options)
        },
      }
      const verbs = verbsOf(setting, filling)
      let held: Held | undefined
      const whole = async () => {
        held = await verbs.snapshot()
        await verbs.export(held)
      }
      // QEMU may have filled it before snapshot has noted what it did, or after.
      await expect(whole()).rejects.toMatchObject({
        message: expect.stringMatching(/(backup job of zeus|cannot write).*no space left on device/i),
        hint: expect.stringMatching(/Make room|Free some space/),
      })
      await (held ? verbs.release(held) : verbs.abandon())
      await expectUntouched(setting)
      expect(await jobs.checkpoints()).toBe('')
      await expect(verbsOf(setting).snapshot()).rejects.toThrow(/zeus needs \d+ bytes, and .* has \d+ free/)
      for (const path of [filler, verbs.directory]) await rm(path, { recursive: true })
      const again = verbsOf(setting)
      const good = await again.snapshot()
      await again.export(good)
      await again.release(good)
    }, 60_000)

    test('QEMU: the backup fails, and the next one after a start is good', async () => {
      const setting = next({ excludeDisks: [] })
      const verbs = verbsOf(setting, await jobs.slow())
      const held = await verbs.snapshot()
      await guest.kill9()
      await expect(verbs.export(held)).rejects.toThrow(/the backup job of zeus did not end well: the guest went off/)
      await verbs.release(held)
      await guest.boot()
      await expectFinished(next(), await guest.moreRecords(1))
      expect(await jobs.checkpoints()).toBe('')
    }, 60_000)
  })
})
