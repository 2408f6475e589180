/** An increment whose worker is killed: the one who gets its message, or lets go of it, goes on; the chain holds all that was synced. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { HoldfastError } from '../../../../infra/errors.ts'
import { sourceOf } from '../../../../infra/sources/all.ts'
import type { Source } from '../../../../infra/sources/source.ts'
import { vm } from '../../../../infra/sources/vm.ts'
import type { Kinds } from '../../../../infra/tools.ts'
import { vaultOf } from '../../../../infra/vaults/all.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { expectRecords, openScene, type Scene, type Verified } from './scene.ts'
import { killIn, type Point } from './verbs.ts'

interface Kill extends Point {
  verb: 'snapshot' | 'export' | 'release'
}

const Nodes = z.array(
  z.object({
    inserted: z.object({ 'dirty-bitmaps': z.array(z.object({ name: z.string().optional() })).default([]) }).optional(),
  }),
)

requires('libvirt')('an increment that is cut off', () => {
  let scene: Scene
  let last: Verified
  /** What the next backup's verbs meet, each once. */
  let kills: Kill[] = []
  /** A verb that was killed is not tried again. */
  let givesUp = false

  const killed = async (verb: Kill['verb'], setting: Parameters<typeof killIn>[2], held?: Parameters<typeof killIn>[3]) => {
    const kill = kills.find(kill => kill.verb === verb)
    if (!kill) return
    kills = kills.filter(other => other !== kill)
    await killIn(verb, kill, { ...setting, options: { uri: scene.libvirt.uri } }, held)
    if (givesUp && verb !== 'release') throw new HoldfastError('given up', { retryable: false })
  }
  /** Each verb is tried first by a process that is killed. */
  const doomed: Source<Parameters<typeof vm.snapshot>[0]['options']> = {
    ...vm,
    async snapshot(work) {
      await killed('snapshot', { ...work, options: {} })
      return await vm.snapshot(work)
    },
    async export(work) {
      await killed('export', { root: scene.house.root, id: work.id, directory: work.directory, options: {} }, work.held)
      return await vm.export(work)
    },
    async release(work) {
      const unused = { consistency: { asked: 'filesystem', achieved: 'filesystem' }, expected: 0, tools: {} } as const
      await killed('release', { root: scene.house.root, id: work.id, options: {} }, { ...unused, held: work.held })
      await vm.release?.(work)
    },
  }
  const kinds: Kinds = { source: kind => (kind === 'vm' ? doomed : sourceOf(kind)), vault: vaultOf }

  beforeAll(async () => {
    scene = await openScene({ guests: [{ name: 'zeus', disks: [{ size: 96 * MB }, { size: 64 * MB }] }], kinds })
    await scene.backUp()
    last = await scene.backUp()
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  /** The bitmaps that QEMU keeps of the guest's disks, each name once. */
  const bitmaps = async () => {
    const answer: unknown = JSON.parse(await scene.libvirt.virsh('qemu-monitor-command', 'zeus', '{"execute":"query-block"}'))
    const nodes = z.object({ return: Nodes }).parse(answer).return
    return [
      ...new Set(nodes.flatMap(({ inserted }) => inserted?.['dirty-bitmaps'].flatMap(({ name }) => name ?? []) ?? [])),
    ].sort()
  }
  const expectGood = async (backup: Verified, synced: number) => {
    expect(kills).toEqual([])
    const first = await expectRecords(join(backup.directory, 'zeus_vda.qcow2'), synced)
    const second = await expectRecords(join(backup.directory, 'zeus_vdb.qcow2'), synced - 1)
    expect([0, 1]).toContain(first - second)
    const kept = backup.parent === null ? [backup.id] : [backup.parent, backup.id]
    await scene.expectSettled(scene.guest, kept)
    expect(await bitmaps()).toEqual(kept)
  }
  const expectNext = async (asked: { mode?: string } = {}) => {
    const synced = await scene.guest.moreRecords(2)
    const next = await scene.backUp(asked)
    await scene.guest.waitForAgent()
    expect(next).toMatchObject({ parent: last.id, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
    await expectGood(next, synced)
    last = next
  }

  describe('and tried again: it is an increment, and the next one builds on it', () => {
    test.each<Kill>([
      { verb: 'snapshot', when: 'after', command: 'checkpoint-delete' },
      { verb: 'snapshot', when: 'after', command: 'backup-begin' },
      { verb: 'export', when: 'after', command: 'rebase' },
    ])('$verb, $when $command', { timeout: 120_000 }, async kill => {
      kills = [kill]
      const synced = await scene.guest.moreRecords(2)
      const backup = await scene.backUp()
      expect(backup).toMatchObject({ parent: last.id, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
      await expectGood(backup, synced)
      last = backup
      await expectNext()
    })
  })

  describe('and given up: the next one holds what it would have held', () => {
    test.each<{ name: string; kills: Kill[] }>([
      { name: 'its checkpoints are settled', kills: [{ verb: 'snapshot', when: 'after', command: 'checkpoint-delete' }] },
      { name: 'its job runs', kills: [{ verb: 'snapshot', when: 'after', command: 'backup-begin' }] },
      {
        name: 'it is chained, and again when its release has merged its bitmap into its parent’s',
        kills: [
          { verb: 'export', when: 'after', command: 'rebase' },
          { verb: 'release', when: 'after', command: 'checkpoint-delete' },
        ],
      },
    ])('when $name', { timeout: 120_000 }, async ({ kills: met }) => {
      kills = met
      givesUp = true
      await scene.guest.moreRecords(2)
      await scene.failToBackUp()
      givesUp = false
      await until('it is let go of', async () => (await bitmaps()).every(name => name === last.id || name === last.parent))
      await until('nothing of it is left', () => scene.expectSettled(scene.guest, [last.id]).then(() => true), { seconds: 20 })
      await expectNext()
    })
  })

  test('offline, when its job has begun before it runs: the increment is of the guest as it was off', async () => {
    kills = [{ verb: 'snapshot', when: 'after', command: 'backup-begin' }]
    const synced = await scene.guest.moreRecords(2)
    const backup = await scene.backUp({ mode: 'offline' })
    expect(backup).toMatchObject({ parent: last.id, consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
    await scene.guest.waitForAgent()
    await expectGood(backup, synced)
    last = backup
    await expectNext({ mode: 'offline' })
  }, 120_000)
})
