/** Backups of guests, booted without harm. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readBackup } from '../../../../infra/inventory.ts'
import { stateBelow } from '../../../../infra/recover.ts'
import { isBlank } from '../../../../infra/tools/picture.ts'
import { events } from '../../../services/house.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { forge, openTrial, type Trial } from './trial.ts'

for (const user of ['libvirt-qemu', 'root'] as const)
  requires('libvirt')(`a drill, QEMU as ${user}`, () => {
    let trial: Trial
    let newest: { id: string; directory: string }

    beforeAll(async () => {
      trial = await openTrial({ user, source: { drillLimit: '3m', drillCommand: ['test', '-s', '/mnt/records'] } })
      await trial.backUp()
      newest = await trial.backUp()
    }, 120_000)
    afterAll(() => trial?.[Symbol.asyncDispose]())

    const drilled = async (id: string) => {
      const { house } = trial
      const request = await trial.ask('drill', { id })
      return until('the drill has ended', async () => {
        const ended = [...(await house.said(events.drill.done)), ...(await house.said(events.drill.failed))]
        return ended.find(fact => fact.request === request)
      })
    }
    const leftovers = async () => {
      const state = stateBelow(trial.house.root)
      const below = await Promise.all((await readdir(state)).map(name => readdir(join(state, name)).catch(() => [name])))
      return [...below.flat(), ...(await trial.domains()).filter(name => name !== 'zeus')]
    }

    test('an increment with what it builds on boots, and the backup stays as it was', async () => {
      const before = await trial.rights()
      const done = await drilled(newest.id)
      expect(done).toMatchObject({
        id: newest.id,
        checks: expect.arrayContaining([
          { name: 'boot', result: expect.stringMatching(/^its agent answered after [\d.]+ s$/) },
          { name: 'test -s /mnt/records', result: 'exit code 0' },
        ]),
      })
      expect(await trial.rights()).toBe(before)
      expect(await leftovers()).toEqual([])
      const backup = await readBackup(trial.house.tools.host('local'), newest.directory)
      expect(backup?.drills).toMatchObject([{ ok: true }])
      expect(isBlank(await readFile(join(newest.directory, 'drills', backup?.drills[0]?.picture ?? '')))).toBe(false)
      expect(await trial.guest.state()).toBe('running')
    }, 60_000)

    test('killed while its guest runs, the next drill of the host ends it first', async () => {
      const before = await trial.rights()
      const scratch = join(stateBelow(trial.house.root), 'drill-vm.killed')
      const script = join(import.meta.dirname, 'drill-process.ts')
      const child = execa(process.execPath, [script, newest.directory, scratch, 'killed', trial.libvirt.uri], { reject: false })
      await until('its guest is there', async () => (await trial.domains()).includes('holdfast-drill-killed'))
      child.kill('SIGKILL')
      await child
      expect(await trial.domains()).toContain('holdfast-drill-killed')
      expect(await drilled(newest.id)).toMatchObject({ checks: expect.anything() })
      expect(await leftovers()).toEqual([])
      expect(await trial.rights()).toBe(before)
    }, 90_000)

    test('one whose disk does not boot fails with a picture, and leaves nothing', async () => {
      const broken = await trial.backUp()
      Object.assign(trial.house.configuration.sources.zeus?.options ?? {}, { drillLimit: 10_000 })
      await forge(broken.directory, 'zeus.xml', xml => xml.replaceAll(/<(kernel|initrd|cmdline)>.*?<\/\1>/g, ''))
      const before = await trial.rights()
      const failed = await drilled(broken.id)
      expect(failed).toMatchObject({ error: { message: expect.stringContaining('its agent did not answer within 10 s') } })
      const { drills } = (await readBackup(trial.house.tools.host('local'), broken.directory)) ?? {}
      expect(drills).toMatchObject([{ ok: false, problem: expect.anything(), picture: expect.stringMatching(/\.png$/) }])
      expect(failed).toMatchObject({
        error: { hint: expect.stringContaining(join(broken.directory, 'drills')), retryable: false },
      })
      expect(await leftovers()).toEqual([])
      expect(await trial.rights()).toBe(before)
    }, 90_000)
  })
