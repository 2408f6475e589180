import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { events, type Verified } from '../../bus/events.ts'
import { PartlyDone } from '../../bus/function.ts'
import replicate from '../../functions/replicate.ts'
import { writeDocument } from '../../infra/backups.ts'
import { readBackup } from '../../infra/inventory.ts'
import { MANIFEST, VERIFIED } from '../../infra/layout.ts'
import { Manifest } from '../../infra/manifest.ts'
import { makeBackup, sha256 } from '../services/backup.ts'
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

async function manifestOf({ directory }: Verified) {
  return Manifest.parse(JSON.parse(await readFile(join(directory, MANIFEST), 'utf8')))
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

  test('what it builds on goes first to a vault that lacks it, and where that cannot be, it is not copied either', async () => {
    const work = await underway(false)
    const { stage, verified } = work
    const below = { source: 'docs', label: 'here', at: '2026-11-20T02:00:00.000Z' }
    const parent = await makeBackup(stage.root, below)
    const text = JSON.stringify({ ...(await manifestOf(verified)), parent: parent.manifest.id })
    await writeFile(join(verified.directory, MANIFEST), text)
    const child = { ...verified, manifest: sha256(text), parent: parent.manifest.id }
    await writeFile(join(parent.directory, 'data.bin'), 'damaged!')
    const vault = stage.tools.vault('good').vault
    await expect(replicate.handle(child, stage.context())).rejects.toThrow(/vault good: .*data\.bin/)
    expect(await vault.list()).toEqual([])
    await writeFile(join(parent.directory, 'data.bin'), 'the data')
    const facts = [await replicate.handle(child, stage.context({ fence: 2 }))].flat()
    expect(facts.map(({ event, data }) => [event.type, data.id])).toEqual([
      ['replicate.copied', parent.manifest.id],
      ['replicate.copied', verified.id],
      ['replicate.done', verified.id],
    ])
    expect((await vault.list()).map(({ manifest }) => manifest.id)).toEqual([parent.manifest.id, verified.id])
    expect((await readBackup(stage.tools.host('local'), parent.directory))?.copies).toMatchObject([{ vault: 'good' }])
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

  describe('a required vault that lacks older verified backups', () => {
    /** Backups of five earlier days, the first one unverified. */
    async function late() {
      const work = await underway(false)
      const host = work.stage.tools.host('local')
      for (const day of [1, 2, 3, 4, 5]) {
        const { backup } = await exportedBackup(work.stage, `2026-11-0${day}T02:00:00.000Z`)
        const { directory, digest: manifest } = backup
        const at = backup.manifest.at
        if (day > 1) await writeDocument(host, directory, VERIFIED, { at, manifest, checks: [] })
      }
      const run = async (fence: number) => {
        const facts = [await replicate.handle(work.verified, work.stage.context({ fence }))].flat()
        return { ids: facts.map(({ data }) => data.id), done: events.replicate.done.schema.parse(facts.at(-1)?.data) }
      }
      return { ...work, run }
    }
    const day = (number: number) => `docs-2026110${number}T020000Z`

    test('gets them, oldest first, a few in each run, and they are noted', async () => {
      const { verified, run } = await late()
      const { id } = verified
      expect((await run(1)).ids).toEqual([id, day(2), day(3), day(4), id])
      expect((await run(2)).ids).toEqual([id, day(5), id])
      expect((await run(3)).ids).toEqual([id, id])
    })

    test('one that cannot be copied is a warning, and the others are', async () => {
      const { good, verified, run } = await late()
      await mkdir(join(good, 'here', '2026-11-02', 'docs-020000Z'), { recursive: true })
      await writeFile(join(good, '.holdfast-vault.json'), '{"format":"holdfast-vault","version":1}')
      const { ids, done } = await run(1)
      expect(ids).toEqual([verified.id, day(3), day(4), day(5), verified.id])
      expect(done.warnings).toMatchObject({ count: 1, first: [expect.stringContaining(`lacks ${day(2)}`)] })
    })
  })
})
