import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { events, type Pruned, type Reported } from '../../bus/events.ts'
import { NotYet } from '../../bus/function.ts'
import report from '../../functions/report.ts'
import { writeDocument } from '../../infra/backups.ts'
import type { Host } from '../../infra/hosts/host.ts'
import { createTools } from '../../infra/tools.ts'
import { exportedBackup, failure } from './facts.ts'
import { openStage, type Stage } from './stage.ts'

type Ended = Parameters<typeof report.handle>[0]

/** What it says of a run that ended so, `age` ms ago. */
async function reported(stage: Stage, came: string, ended: Ended, age = 0): Promise<Reported> {
  const cause = { id: 'x', time: new Date(Date.now() - age), sequence: 1, behind: 0 }
  const facts = [await report.handle(ended, stage.context({ came, cause }))].flat()
  expect(facts.map(({ event }) => event.type)).toEqual(['report.done'])
  return events.report.done.schema.parse(facts[0]?.data)
}

/** A pruned backup whose release has settled. */
async function pruned() {
  const stage = await openStage()
  const { backup, exported } = await exportedBackup(stage)
  const { id, source, host } = exported
  stage.store(events.release.done({ id, source, host, released: [] }))
  await writeDocument(stage.tools.host('local'), backup.directory, 'verified.json', {
    at: exported.at,
    manifest: backup.digest,
    checks: [],
  })
  const places = [{ place: 'local', kept: 1, removed: [] }]
  const ended: Pruned = { ...exported, pruned: places, problems: [] }
  return { stage, backup, exported, ended }
}

test('done: no warnings, verified, with the report beside the backup', async () => {
  const { stage, backup, ended } = await pruned()
  expect(await reported(stage, 'prune.done', ended)).toMatchObject({
    outcome: 'done',
    ended: 'prune.done',
    verified: true,
    warnings: { count: 0 },
    bytes: ended.bytes,
  })
  expect(await readFile(join(backup.directory, 'report.md'), 'utf8')).toContain(`# Backup ${ended.id}: done\n`)
})

test('a warning, a vault that is missing and a place that was not pruned are never green', async () => {
  const { stage, backup, ended } = await pruned()
  const changes: Partial<Pruned>[] = [
    { warnings: { count: 1, first: ['a file changed'] } },
    { missing: [{ vault: 'nas', error: 'not mounted' }] },
    { problems: ['nas: not pruned'] },
  ]
  for (const change of changes)
    expect(await reported(stage, 'prune.done', { ...ended, ...change })).toMatchObject({
      outcome: 'warnings',
      warnings: { count: 1 },
    })
  expect(await readFile(join(backup.directory, 'report.md'), 'utf8')).toContain('done with warnings')
})

test('more warnings than a fact carries: none is forgotten', async () => {
  const { stage, ended } = await pruned()
  const first = Array.from({ length: 20 }, (_, index) => `file ${index} changed`)
  const { warnings } = await reported(stage, 'prune.done', { ...ended, warnings: { count: 500, first } })
  expect(warnings.count).toBe(500)
})

test('failed: where a step failed, and where a required vault has no copy although prune was done', async () => {
  const { stage, ended, exported } = await pruned()
  expect(await reported(stage, 'prune.done', { ...ended, error: failure })).toMatchObject({ outcome: 'failed', error: failure })
  expect(await reported(stage, 'verify.failed', { ...exported, error: failure, attempts: 1 })).toMatchObject({
    outcome: 'failed',
    ended: 'verify.failed',
    error: failure,
  })
})

test('skipped: held nothing, so it waits for no release', async () => {
  const stage = await openStage()
  const { exported } = await exportedBackup(stage)
  expect(await reported(stage, 'snapshot.skipped', { ...exported, skipped: 'overtaken' })).toMatchObject({
    outcome: 'skipped',
    verified: false,
  })
})

test('no release: it waits, and after ten minutes ends with a warning', async () => {
  const stage = await openStage()
  const { exported } = await exportedBackup(stage)
  const ended = { ...exported, pruned: [], problems: [] }
  await expect(reported(stage, 'prune.done', ended, 9 * 60_000)).rejects.toBeInstanceOf(NotYet)
  const { outcome, warnings } = await reported(stage, 'prune.done', ended, 11 * 60_000)
  expect({ outcome, warnings: warnings.first }).toEqual({
    outcome: 'warnings',
    warnings: [expect.stringContaining('not yet released')],
  })
})

test('a release that failed is a warning', async () => {
  const stage = await openStage()
  const { exported } = await exportedBackup(stage)
  const { id, source, host } = exported
  stage.store(events.release.failed({ id, source, host, error: failure, attempts: 28 }))
  const { outcome, warnings } = await reported(stage, 'prune.done', { ...exported, pruned: [], problems: [] })
  expect({ outcome, warnings: warnings.first }).toEqual({ outcome: 'warnings', warnings: [expect.stringContaining('on fire')] })
})

test('a manifest that was edited since is said, and the run ends all the same', async () => {
  const { stage, backup, ended } = await pruned()
  const path = join(backup.directory, 'manifest.json')
  await writeFile(path, (await readFile(path, 'utf8')).replace('nightly', 'monthly'))
  const { verified, outcome, warnings } = await reported(stage, 'prune.done', ended)
  expect({ verified, outcome }).toEqual({ verified: false, outcome: 'warnings' })
  expect(warnings.first.join()).toContain('changed after it was verified')
})

test('a backup that failed is not called verified, whatever was found before', async () => {
  const { stage, backup, exported } = await pruned()
  await writeDocument(stage.tools.host('local'), backup.directory, 'failed.json', { at: exported.at, error: 'damaged' })
  expect(await reported(stage, 'verify.failed', { ...exported, error: failure, attempts: 1 })).toMatchObject({ verified: false })
})

test('a source that left the configuration in mid-run: the run is reported all the same', async () => {
  const { stage, backup, ended } = await pruned()
  const tools = createTools({ ...stage.tools.configuration, sources: {} })
  onTestFinished(() => tools.close())
  const gone = { ...stage, context: (change = {}) => stage.context({ ...change, tools }) }
  expect(await reported(gone, 'prune.done', ended)).toMatchObject({ outcome: 'done', verified: true })
  expect(await readFile(join(backup.directory, 'report.md'), 'utf8')).toContain('free space')
})

test('free space that cannot be told is a warning', async () => {
  const { stage, ended } = await pruned()
  const host: Host = { ...stage.tools.host('local'), space: () => Promise.reject(new Error('no answer')) }
  const blind = { ...stage, context: (change = {}) => stage.context({ ...change, tools: { ...stage.tools, host: () => host } }) }
  const { outcome, warnings } = await reported(blind, 'prune.done', ended)
  expect({ outcome, warnings: warnings.first }).toEqual({
    outcome: 'warnings',
    warnings: ['report.md was not written: no answer'],
  })
})

test('a message that names no backup ends no run', async () => {
  const stage = await openStage()
  expect(await report.handle({ host: 'local', error: failure, attempts: 1 }, stage.context())).toEqual([])
})
