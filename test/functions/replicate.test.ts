import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Verified } from '../../bus/events.ts'
import { PartlyDone } from '../../bus/function.ts'
import replicate from '../../functions/replicate.ts'
import { readBackup } from '../../infra/inventory.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { requires } from '../services/requires.ts'
import { exportedBackup } from './facts.ts'
import { nas, openStage, type Stage } from './stage.ts'

/** A backup of `docs` on its way to a vault that works and to one that is away. */
async function underway(required: boolean): Promise<{ stage: Stage; verified: Verified; good: string }> {
  const good = join(await temporaryDirectory(), 'vault')
  const stage = await openStage({ vaults: { good: nas(good), away: nas('/proc/holdfast/vault', required) } })
  const { exported } = await exportedBackup(stage)
  return { stage, good, verified: { ...exported, checks: [], verified: exported.at } }
}

async function copies({ stage, verified }: { stage: Stage; verified: Verified }): Promise<string[]> {
  const backup = await readBackup(stage.tools.host('local'), verified.directory)
  return backup?.copies.map(({ vault }) => vault) ?? []
}

requires('rsync')('replicate', () => {
  test('a vault that is away and not required: said as missing, and the other has its copy', async () => {
    const work = await underway(false)
    const facts = [await replicate.handle(work.verified, work.stage.context())].flat()
    expect(facts.map(({ event }) => event.type)).toEqual(['replicate.copied', 'replicate.done'])
    expect(facts[1]?.data).toMatchObject({
      copies: [{ vault: 'good' }],
      missing: [{ vault: 'away', error: expect.stringContaining('is not there') }],
    })
    expect(await copies(work)).toEqual(['good'])
  })

  test('one that is required: the good copy is said and noted all the same, and the step is tried again', async () => {
    const work = await underway(true)
    const failure = await Promise.resolve(replicate.handle(work.verified, work.stage.context())).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(PartlyDone)
    expect(failure).toMatchObject({
      message: expect.stringContaining('vault away: '),
      hint: expect.stringContaining('Mount'),
      retryable: true,
      facts: [{ event: { type: 'replicate.copied' }, data: { vault: 'good' } }],
    })
    expect(await copies(work)).toEqual(['good'])
  })

  test('twice: the same copy, said the same', async () => {
    const { stage, verified } = await underway(false)
    const once = [await replicate.handle(verified, stage.context())].flat()
    expect([await replicate.handle(verified, stage.context({ redelivered: true, fence: 2 }))].flat()[0]?.data).toEqual(
      once[0]?.data,
    )
  })

  test('a backup that was damaged since it was verified is not copied over a good one, nor called copied', async () => {
    const { stage, verified, good } = await underway(true)
    const path = join(verified.directory, 'data.bin')
    await writeFile(path, 'damaged!')
    await expect(replicate.handle(verified, stage.context())).rejects.toThrow(/vault good: .*data\.bin/)
    expect(await stage.tools.vault('good').vault.list()).toEqual([])
    await writeFile(path, 'the data')
    await expect(replicate.handle(verified, stage.context({ fence: 2 }))).rejects.toMatchObject({
      facts: [{ data: { vault: 'good' } }],
    })
    expect(await readFile(join(good, 'here', verified.day, 'docs-020000Z', 'data.bin'), 'utf8')).toBe('the data')
  })

  test('a backup that is gone: not tried again', async () => {
    const { stage, verified } = await underway(true)
    await rm(verified.directory, { recursive: true })
    await expect(replicate.handle(verified, stage.context())).rejects.toMatchObject({ retryable: false })
  })
})
