/** Guests that run from their backup. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stateBelow } from '../../../../infra/recover.ts'
import { guestNamed } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { beginRestore, runRestore } from './restore-process.ts'
import { forge, openTrial, type Trial } from './trial.ts'

for (const user of ['libvirt-qemu', 'root'] as const)
  requires('libvirt')(`an instant restore, QEMU as ${user}`, () => {
    let trial: Trial
    let newest: { id: string; directory: string }
    let synced: number

    beforeAll(async () => {
      const disks = [
        { size: 256 * MB, filled: 64 * MB },
        { size: 64 * MB, format: 'raw' as const },
      ]
      trial = await openTrial({ user, guest: { disks }, house: { plans: { nightly: { keep: { last: 1 } } } } })
      await trial.backUp()
      synced = await trial.guest.moreRecords(3)
      newest = await trial.backUp()
    }, 120_000)
    afterAll(() => trial?.[Symbol.asyncDispose]())

    const chainOf = async (image: string) => {
      const { stdout } = await execa('qemu-img', ['info', '-U', '--backing-chain', '--output=json', image])
      return (JSON.parse(stdout) as unknown[]).length
    }

    const decisions = async (): Promise<{ id: string; keep: boolean; reasons: string[] }[]> => {
      const { connection, prefix } = trial.house.cell
      const asked = JSON.stringify({ source: 'zeus', dryRun: true })
      const [answer] = (await connection.request(`${prefix}.prune`, asked, { timeout: 20_000 })).json<
        { places: { decisions: { id: string; keep: boolean; reasons: string[] }[] }[] }[]
      >()
      return answer?.places.flatMap(place => place.decisions) ?? []
    }

    test('in place: the guest answers, its disks are brought in, and the backup stays as it was', async () => {
      const { guest, house, libvirt } = trial
      const before = await trial.rights()
      const ended = await trial.ended('restore', await trial.ask('restore', { id: newest.id, instant: true }))
      expect(ended).toMatchObject({
        checks: expect.arrayContaining([
          expect.objectContaining({ name: 'trust' }),
          { name: 'guest', result: expect.stringContaining('its agent answered') },
          expect.objectContaining({ name: 'pulled into place' }),
        ]),
        aside: [],
      })
      expect(await guest.synced()).toBeGreaterThanOrEqual(synced)
      for (const { path } of guest.disks) expect(await chainOf(path)).toBe(1)
      expect(await libvirt.virsh('dumpxml', '--inactive', 'zeus')).not.toContain(newest.directory)
      expect(await libvirt.virsh('checkpoint-list', '--name', 'zeus')).toBe('')
      expect(existsSync(join(newest.directory, 'hold.json'))).toBe(false)
      expect(await trial.rights()).toBe(before)
      expect((await readdir(guest.directory)).filter(name => /before|holdfast/.test(name))).toEqual([])
      expect(await readdir(join(stateBelow(house.root), 'readers')).catch(() => [])).toEqual([])
    }, 150_000)

    if (user === 'root') return

    test('killed as it starts and as it pulls: the guest runs on, prune keeps away, and the same asked again ends it', async () => {
      const { guest, house, libvirt } = trial
      const before = await trial.rights()
      const where = { directory: newest.directory, state: stateBelow(house.root), uri: libvirt.uri }
      const orders = { ...where, token: 'killed', to: 'copy', instant: true }
      const copy = guestNamed(libvirt, 'copy')
      const killWhen = async (what: string, happened: () => Promise<boolean>) => {
        const child = beginRestore(orders)
        await until(what, happened, { seconds: 90, every: 5 })
        child.kill('SIGKILL')
        await child
      }
      await killWhen('it was started', async () => (await copy.state()) === 'running')
      // So slow that it is at work when its process is killed.
      await killWhen('it pulls', async () => (await libvirt.virsh('blockjob', 'copy', 'vda', '--bandwidth', '1')) === '')
      await copy.waitForAgent()
      expect(await copy.synced()).toBeGreaterThanOrEqual(synced)
      expect(await chainOf(join(guest.directory, 'copy_vda.qcow2'))).toBeGreaterThan(1)
      const [kept] = (await decisions()).filter(({ id }) => id === newest.id)
      expect(kept).toMatchObject({ keep: true, reasons: expect.arrayContaining([expect.stringContaining('copy runs from it')]) })
      await libvirt.virsh('blockjob', 'copy', 'vda', '--bandwidth', '0')
      expect(await runRestore(orders)).toMatchObject({
        targets: expect.arrayContaining([join(guest.directory, 'copy_vda.qcow2')]),
      })
      expect(await copy.state()).toBe('running')
      for (const { target, format } of guest.disks)
        expect(await chainOf(join(guest.directory, `copy_${target}.${format}`))).toBe(1)
      expect(existsSync(join(newest.directory, 'hold.json'))).toBe(false)
      expect(await trial.rights()).toBe(before)
      await copy.shutdown()
      const records = await readRecords(join(guest.directory, 'copy_vda.qcow2'))
      expect(records).toMatchObject({ clean: true, faults: [] })
      expect(await guest.state()).toBe('running')
    }, 150_000)

    test('where it cannot be started, what was there before is back and runs, and nothing is held', async () => {
      const { guest, libvirt } = trial
      await forge(newest.directory, 'zeus.xml', xml => xml.replace(/<kernel>.*?<\/kernel>/, '<kernel>/nowhere</kernel>'))
      const before = await trial.rights()
      const ended = await trial.ended('restore', await trial.ask('restore', { id: newest.id, instant: true }))
      expect(ended).toMatchObject({ error: { message: expect.stringContaining('rolled back') } })
      await guest.waitForAgent()
      expect(await libvirt.virsh('dumpxml', '--inactive', 'zeus')).not.toContain('/nowhere')
      expect(existsSync(join(newest.directory, 'hold.json'))).toBe(false)
      expect(await trial.rights()).toBe(before)
      expect((await readdir(guest.directory)).filter(name => /before|failed|holdfast/.test(name))).toEqual([])
    }, 120_000)
  })
