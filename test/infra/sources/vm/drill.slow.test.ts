/** Backups of guests, booted without harm. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readBackup } from '../../../../infra/inventory.ts'
import { stateBelow } from '../../../../infra/recover.ts'
import { isBlank } from '../../../../infra/tools/picture.ts'
import { UEFI } from '../../../services/guest-xml.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { forge, openTrial, type Trial } from './trial.ts'

/** What of drills lies or runs about. */
async function leftovers({ house, domains }: Trial): Promise<string[]> {
  const state = stateBelow(house.root)
  const below = await Promise.all((await readdir(state)).map(name => readdir(join(state, name)).catch(() => [name])))
  return [...below.flat(), ...(await domains()).filter(name => name !== 'zeus')]
}

async function drilled(trial: Trial, question: { id: string; vault?: string }): Promise<object> {
  return trial.ended('drill', await trial.ask('drill', question))
}

requires('libvirt', 'rsync')('a drill, QEMU as Debian runs it', () => {
  let trial: Trial
  let newest: { id: string; directory: string }

  beforeAll(async () => {
    const source = { drillLimit: '3m', drillCommand: ['test', '-s', '/mnt/records'] }
    trial = await openTrial({ user: 'libvirt-qemu', source, vault: true })
    await trial.backUp()
    newest = await trial.backUp()
  }, 120_000)
  afterAll(() => trial?.[Symbol.asyncDispose]())

  test('an increment with what it builds on boots from the vault, and that stays as it was', async () => {
    const before = await trial.rights()
    expect(await drilled(trial, { id: newest.id, vault: 'nas' })).toMatchObject({
      ...{ id: newest.id, from: 'nas' },
      checks: expect.arrayContaining([
        { name: 'boot', result: expect.stringMatching(/^its agent answered after [\d.]+ s$/) },
        { name: 'test -s /mnt/records', result: 'exit code 0' },
      ]),
    })
    expect(await trial.rights()).toBe(before)
    expect(await leftovers(trial)).toEqual([])
    expect(await trial.guest.state()).toBe('running')
  }, 90_000)

  test('killed while its guest runs, the next drill of the host ends it first', async () => {
    const before = await trial.rights()
    const scratch = join(stateBelow(trial.house.root), 'drill-vm.killed')
    const script = join(import.meta.dirname, 'drill-process.ts')
    const child = execa(process.execPath, [script, newest.directory, scratch, 'killed', trial.libvirt.uri], { reject: false })
    await until('its guest is there', async () => (await trial.domains()).includes('holdfast-drill-killed'))
    child.kill('SIGKILL')
    await child
    expect(await trial.domains()).toContain('holdfast-drill-killed')
    expect(await drilled(trial, { id: newest.id })).toMatchObject({ from: 'local', picture: expect.anything() })
    expect(await leftovers(trial)).toEqual([])
    expect(await trial.rights()).toBe(before)
    const backup = await readBackup(trial.house.tools.host('local'), newest.directory)
    expect(isBlank(await readFile(join(newest.directory, 'drills', backup?.drills.at(-1)?.picture ?? '')))).toBe(false)
  }, 120_000)

  test.each([
    ['whose disk does not boot', 'live', 10, (xml: string) => xml.replaceAll(/<(kernel|initrd|cmdline)>.*?<\/\1>/g, '')],
    // It works with its disk and shows something: enough for a guest without an agent.
    ['that comes up broken, and was captured offline', 'offline', 25, (xml: string) => xml.replace('quiet', 'holdfast.no-agent')],
  ] as const)('one %s fails with a picture, and leaves nothing', { timeout: 120_000 }, async (_, mode, limit, broken) => {
    const { directory, id } = await trial.backUp(mode)
    Object.assign(trial.house.configuration.sources.zeus?.options ?? {}, { drillLimit: limit * 1000, drillCommand: undefined })
    await forge(directory, 'zeus.xml', broken)
    const before = await trial.rights()
    expect(await drilled(trial, { id })).toMatchObject({
      error: {
        message: expect.stringContaining(`its agent did not answer within ${limit} s`),
        hint: expect.stringContaining(join(directory, 'drills')),
        retryable: false,
      },
    })
    const { drills } = (await readBackup(trial.house.tools.host('local'), directory)) ?? {}
    expect(drills).toMatchObject([{ ok: false, problem: expect.anything(), picture: expect.stringMatching(/\.png$/) }])
    expect(await leftovers(trial)).toEqual([])
    expect(await trial.rights()).toBe(before)
  })
})

requires('libvirt', UEFI)('a drill of a guest with UEFI and without an agent, QEMU as root', () => {
  test('counts as booted once its screen shows something and it works with its disk', async () => {
    await using trial = await openTrial({
      guest: { agent: 'absent', firmware: 'uefi', network: true },
      source: { drillLimit: '3m' },
    })
    const { id } = await trial.backUp()
    const before = await trial.rights()
    expect(await drilled(trial, { id })).toMatchObject({
      checks: [
        {
          name: 'boot',
          result: expect.stringMatching(/^its screen shows something, and it has read \d+ and written \d+ bytes$/),
        },
        { name: 'left out', result: 'interface' },
      ],
    })
    expect(await trial.rights()).toBe(before)
    expect(await leftovers(trial)).toEqual([])
  }, 240_000)
})
