/** A guest that its owner resets, reboots or shuts down in the middle of its backup. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { events } from '../../../../bus/events.ts'
import type { Host } from '../../../../infra/hosts/host.ts'
import { sourceOf } from '../../../../infra/sources/all.ts'
import type { Kinds } from '../../../../infra/tools.ts'
import { vaultOf } from '../../../../infra/vaults/all.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { type Jobs, jobsOf } from './jobs.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a guest in the middle of its backup', () => {
  let scene: Scene
  let jobs: Jobs
  let last: Verified
  let slow: Host | undefined
  const kinds: Kinds = {
    source: kind => {
      const driver = sourceOf(kind)
      return driver && { ...driver, snapshot: work => driver.snapshot({ ...work, host: slow ?? work.host }) }
    },
    vault: vaultOf,
  }

  beforeAll(async () => {
    const disks = [{ size: 64 * MB }, { size: 64 * MB }, { size: 512 * MB }]
    scene = await openScene({ guests: [{ name: 'zeus', disks }], kinds })
    jobs = jobsOf(scene.libvirt, scene.guest)
    last = await scene.backUp()
  }, 60_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  // A test that fails leaves no job to the next one.
  afterEach(async () => {
    slow = undefined
    if (await jobs.running()) await jobs.letGo()
  })

  /** As if the guest wrote all of its last disk. */
  const rewrite = async () => {
    const disk = '/machine/peripheral/virtio-disk2/virtio-backend'
    for (const part of ['0', '256M'])
      await scene.libvirt.virsh('qemu-monitor-command', 'zeus', '--hmp', `qemu-io -d ${disk} "write -q ${part} 256M"`)
  }
  /** The moment of a backup is fixed and the guest is thawed when this returns; the job goes on until it is let go. */
  const inTheMiddle = async (tries = 5): Promise<{ synced: number; ended: Promise<Verified> }> => {
    await rewrite()
    const synced = await scene.guest.moreRecords(1)
    const before = (await scene.house.said(events.snapshot.done)).length
    slow = await jobs.slow()
    const ended = scene.backUp()
    // Awaited by the test.
    ended.catch(() => undefined)
    await scene.house.hears(events.snapshot.done, before + 1)
    slow = undefined
    if (await jobs.slowed()) return { synced, ended }
    // On a busy machine all may be copied before the job is slowed.
    last = await ended
    if (tries === 0) throw new Error('no job could be slowed')
    return await inTheMiddle(tries - 1)
  }
  /** The agent cannot tell: one that is asked to reboot answers for a while, and afterwards libvirt may have lost it. */
  const boots = async () => (await readFile(scene.guest.console, 'utf8')).split('init: ready').length - 1
  /** libvirt 9.0 misses that the agent went and came while there is a job, hears of its end a minute late, and stays deaf. */
  const reconnect = async () => {
    await scene.libvirt.kill9()
    await scene.libvirt.restart()
  }
  /** It may have come while the job was ending, and be missed again. */
  const agentAnswers = async (tries = 3): Promise<void> => {
    try {
      await scene.guest.waitForAgent(15)
    } catch (error) {
      if (tries === 0) throw error
      await reconnect()
      await agentAnswers(tries - 1)
    }
  }
  const expectMoment = async ({ directory }: Verified, synced: number) => {
    const first = await expectRecords(join(directory, 'zeus_vda.qcow2'), synced)
    const second = await expectRecords(join(directory, 'zeus_vdb.qcow2'), synced - 1)
    expect([0, 1]).toContain(first - second)
  }

  test.each([['reset'], ['reboot', '--mode=agent']])(
    '%s: the job goes on, and the image is of its moment',
    async (command, ...mode) => {
      const { synced, ended } = await inTheMiddle()
      const before = await boots()
      await scene.libvirt.virsh(command, 'zeus', ...mode)
      await until('it has booted anew', async () => (await boots()) > before)
      expect(await jobs.slowed()).toBe(true)
      await jobs.letGo()
      await reconnect()
      const backup = await ended
      expect(backup).toMatchObject({ parent: last.id, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
      await expectMoment(backup, synced)
      await agentAnswers()
      await scene.expectSettled(scene.guest, [last.id, backup.id])
      last = backup
    },
    240_000,
  )

  test('an agent that hangs: the backup is crash-consistent and says so, and nothing waits for a thaw', async () => {
    const synced = await scene.guest.moreRecords(1)
    const hang = 'kill -STOP $(pidof qemu-ga); sleep 12; kill -CONT $(pidof qemu-ga)'
    await scene.guest.agent('guest-exec', { path: 'sh', arg: ['-c', `(sleep 0.2; ${hang}) > /dev/null 2>&1 &`] })
    await until('it hangs', () =>
      scene.libvirt.virsh('qemu-agent-command', 'zeus', '--timeout=1', '{"execute":"guest-ping"}').then(
        () => false,
        () => true,
      ),
    )
    const backup = await scene.backUp()
    expect(backup).toMatchObject({
      consistency: { achieved: 'crash' },
      warnings: { count: 1, first: [expect.stringMatching(/^not frozen, so the backup is crash-consistent: Guest agent/)] },
    })
    await expectRecords(join(backup.directory, 'zeus_vda.qcow2'), synced, false)
    await scene.guest.waitForAgent()
    await scene.expectSettled(scene.guest, [last.id, backup.id])
    last = backup
  }, 240_000)

  test('shut down: the backup fails and says so, the guest stays off, and its closed disks are the next one', async () => {
    const { synced, ended } = await inTheMiddle()
    await scene.guest.shutdown('agent')
    await expect(ended).rejects.toThrow(/the backup job of zeus did not end well: the guest went off.*The next run begins anew/)
    await until('it is released', async () => (await readdir(scene.house.root)).every(name => !name.startsWith('.vm-')))
    expect(await scene.guest.state()).toBe('shut off')

    const closed = await scene.backUp()
    expect(closed).toMatchObject({ parent: null, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
    expect(await detailsOf(closed)).toMatchObject({ method: 'convert', why: 'it is off, and stays off' })
    await expectMoment(closed, synced)
    expect(await scene.guest.state()).toBe('shut off')

    await scene.guest.boot()
    const after = await scene.guest.moreRecords(1)
    const next = await scene.backUp()
    expect(next).toMatchObject({ parent: last.id, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
    await expectMoment(next, after)
    await scene.expectSettled(scene.guest, [last.id, next.id])
  }, 240_000)
})
