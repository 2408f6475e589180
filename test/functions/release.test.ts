import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import release from '../../functions/release.ts'
import { exportedBackup, failure } from './facts.ts'
import { openStage } from './stage.ts'

test('lets go of the source, and of what export left unfinished, twice as well as once', async () => {
  const stage = await openStage()
  const { exported } = await exportedBackup(stage)
  const day = join(stage.root, exported.day)
  const leftovers = ['.docs-020000Z.partial-3', '.docs-020001Z.partial-3', '.mail-020000Z.partial-3']
  for (const name of leftovers) await mkdir(join(day, name))
  await stage.run.put('docs', exported.id)
  const failed = { ...exported, error: failure, attempts: 1 }
  const first = await release.handle(failed, stage.context({ came: 'export.failed' }))
  expect(first).toMatchObject({ data: { id: exported.id, released: [join(day, '.docs-020000Z.partial-3')] } })
  expect(await stage.run.get('docs')).toBeUndefined()
  expect(await release.handle(failed, stage.context({ came: 'export.failed' }))).toMatchObject({ data: { released: [] } })
  expect((await readdir(day)).sort()).toEqual([...leftovers.slice(1), 'docs-020000Z'])
})

test('a run that has taken the source since keeps it', async () => {
  const stage = await openStage()
  const { exported } = await exportedBackup(stage)
  await stage.run.put('docs', 'docs-20261122T020000Z')
  await release.handle(exported, stage.context({ came: 'export.done' }))
  expect((await stage.run.get('docs'))?.value).toBe('docs-20261122T020000Z')
})

test('a source that is no longer in the configuration is let go of too', async () => {
  const [before, after] = [await openStage(), await openStage({ files: { other: {} } })]
  const { exported } = await exportedBackup(before)
  await after.run.put('docs', exported.id)
  await release.handle(exported, after.context({ came: 'export.done' }))
  expect(await after.run.get('docs')).toBeUndefined()
})

test('a message that names no backup holds nothing', async () => {
  const stage = await openStage()
  expect(await release.handle({ host: 'local', error: failure, attempts: 1 }, stage.context())).toEqual([])
})
