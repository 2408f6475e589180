/** Freezing for the moment: what is asked, what is achieved, and that no guest stays frozen. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { type Freezing, quiesced } from '../../../../infra/sources/vm/freeze.ts'
import { stageOf } from '../../../../infra/sources/vm/stage.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { detailsOf, expectRecords, openScene, type Scene } from './scene.ts'
import { killIn, verbsOf } from './verbs.ts'

requires('libvirt')('freezing', () => {
  let scene: Scene

  beforeAll(async () => {
    const disks = [{ size: 64 * MB }]
    scene = await openScene({
      guests: [
        { name: 'zeus', disks },
        { name: 'hera', disks, agent: 'dead' },
      ],
      sources: {
        zeus: {},
        hera: {},
        strict: { domain: 'hera', quiesce: 'require', method: 'copy' },
        never: { domain: 'zeus', quiesce: 'never', method: 'copy' },
      },
    })
  }, 60_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const freezing = async (change: Partial<Freezing['options']> = {}): Promise<Freezing & { warnings: string[] }> => {
    const warnings: string[] = []
    const { uri } = scene.libvirt
    return {
      guest: { host: localHost(), uri, domain: 'zeus' },
      options: { quiesce: 'prefer', freezeLimit: 10_000, ...change },
      agent: true,
      stage: await temporaryDirectory(),
      heard: async () => undefined,
      warn: message => warnings.push(message),
      warnings,
    }
  }

  test('two guests at once: one is frozen, the other does not answer and is captured as after a power cut, with a warning', async () => {
    const [frozen, not] = await Promise.all([scene.backUp({ source: 'zeus' }), scene.backUp({ source: 'hera' })])
    expect(frozen).toMatchObject({ consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
    expect(not).toMatchObject({
      consistency: { asked: 'filesystem', achieved: 'crash' },
      warnings: { first: [expect.stringMatching(/^not frozen.*agent is not connected/)] },
    })
    expect(await detailsOf(not)).toMatchObject({ frozen: null, answered: false })
    await expectRecords(join(frozen.directory, 'zeus_vda.qcow2'), 1)
    await expectRecords(join(not.directory, 'hera_vda.qcow2'), 1, false)
    await scene.expectSettled(scene.guest, [frozen.id])
  }, 60_000)

  test('required, it fails without an agent, and nothing is left', async () => {
    const failed = await scene.failToBackUp({ source: 'strict' })
    expect(failed.error.message).toMatch(/hera cannot be frozen, and `quiesce: require`/)
    expect(failed.error.hint).toContain('qemu-guest-agent')
    expect((await readdir(scene.house.root)).filter(name => name.startsWith('.vm-'))).toEqual([])
  }, 60_000)

  test('not wanted, it is not tried', async () => {
    const backup = await scene.backUp({ source: 'never' })
    expect(backup).toMatchObject({ consistency: { asked: 'crash', achieved: 'crash' }, warnings: { count: 0 } })
    expect(await detailsOf(backup)).toMatchObject({ frozen: null, answered: true })
  })

  test('a moment that takes too long is thawed by the watchdog, and is not called frozen', async () => {
    const given = await freezing({ freezeLimit: 1000 })
    const moment = await quiesced(given, async () => {
      expect(await scene.guest.frozen()).toBe(true)
      await until('the watchdog thaws', async () => !(await scene.guest.frozen()), { seconds: 30 })
    })
    expect(moment.achieved).toBe('crash')
    expect(given.warnings).toEqual([expect.stringContaining('thawed')])
    expect(await readdir(given.stage)).toEqual([])
  }, 40_000)

  test('an agent that dies while it is frozen leaves nothing frozen', async () => {
    await scene.guest.killAgent({ after: 2 })
    const given = await freezing()
    await quiesced(given, async () => {
      await until(
        'the agent is gone',
        () =>
          scene.guest.agent('guest-ping').then(
            () => false,
            () => true,
          ),
        { every: 50, seconds: 30 },
      )
    }).catch(() => undefined)
    await scene.guest.waitForAgent()
    await until('it is thawed', async () => !(await scene.guest.frozen()), { seconds: 30 })
    await scene.guest.moreRecords(1)
  }, 60_000)

  test('what fails while it is frozen thaws it', async () => {
    const given = await freezing()
    await expect(quiesced(given, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await scene.guest.frozen()).toBe(false)
    expect(await readdir(given.stage)).toEqual([])
  })

  requires('ss')('a worker that is killed while it waits for the freeze, which holds only when it is dead', () => {
    const killWaiting = async (freezeLimit: string) => {
      const { root } = scene.house
      const setting = { root, id: 'zeus-20261121T020000Z', options: { uri: scene.libvirt.uri, freezeLimit } }
      const stops = await scene.guest.qemuPid()
      try {
        await killIn('snapshot', { when: 'during', command: 'domfsfreeze', stops }, setting)
      } finally {
        process.kill(stops, 'SIGCONT')
      }
      await until('it is frozen', () => scene.guest.frozen(), { every: 10 })
      return { setting, mark: join(stageOf(root, setting.id), 'frozen') }
    }
    const expectNothingLeft = async () => {
      const checkpoints = await scene.libvirt.virsh('checkpoint-list', 'zeus', '--name')
      await scene.expectSettled(scene.guest, checkpoints.split('\n').filter(Boolean))
      expect(checkpoints).not.toContain('T020000Z')
      const synced = await scene.guest.moreRecords(2)
      const next = await scene.backUp({ source: 'zeus' })
      expect(next).toMatchObject({ consistency: { achieved: 'filesystem' }, warnings: { count: 0 } })
      expect(next.parent).not.toBeNull()
      await expectRecords(join(next.directory, 'zeus_vda.qcow2'), synced)
    }

    test('and nobody comes back: the watchdog thaws it and ends', async () => {
      const { setting, mark } = await killWaiting('4s')
      await until('the watchdog thaws', async () => !(await scene.guest.frozen()), { seconds: 30 })
      await until('the watchdog ends', async () => !existsSync(mark))
      await verbsOf(setting).abandon()
      await expectNothingLeft()
    }, 120_000)

    test('and tried again: that thaws it, and fixes a moment of its own', async () => {
      const { setting } = await killWaiting('30s')
      const verbs = verbsOf(setting)
      const held = await verbs.snapshot()
      expect(held.consistency.achieved).toBe('filesystem')
      expect(await scene.guest.frozen()).toBe(false)
      await verbs.release(held)
      await expectNothingLeft()
    }, 120_000)
  })
})
