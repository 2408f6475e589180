import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { events, type Pruned } from '../../bus/events.ts'
import prune from '../../functions/prune.ts'
import { addCopies, hold, writeDocument } from '../../infra/backups.ts'
import { readBackup } from '../../infra/inventory.ts'
import { FAILED, VERIFIED } from '../../infra/layout.ts'
import { makeBackup } from '../services/backup.ts'
import type { HouseOptions } from '../services/house.ts'
import { exportedBackup, failure, replicated } from './facts.ts'
import { nas, openStage, type Stage } from './stage.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-30T03:00:00Z') }))
afterEach(() => void vi.useRealTimers())

interface Made {
  failed?: boolean
  verified?: boolean
  held?: boolean
  drilled?: boolean
  copied?: boolean
  parent?: string
  /** Its run has not been reported. */
  open?: boolean
}

/** A backup of `docs` of that day of November; verified, copied and reported unless told otherwise. */
async function made(stage: Stage, day: number, given: Made = {}): Promise<string> {
  const { failed = false, verified = !failed, copied = true, open = false, ...rest } = given
  const host = stage.tools.host('local')
  const at = new Date(Date.UTC(2026, 10, day, 2)).toISOString()
  const { directory, manifest } = await makeBackup(stage.root, {
    ...{ source: 'docs', at, label: 'here' },
    ...(rest.parent ? { parent: rest.parent } : {}),
  })
  const digest = (await readBackup(host, directory))?.digest ?? ''
  if (verified) await writeDocument(host, directory, VERIFIED, { at, manifest: digest, checks: [] })
  if (failed) await writeDocument(host, directory, FAILED, { at, error: 'damaged' })
  if (rest.held) await hold(host, directory, { at, reason: 'before upgrade' })
  if (copied) await addCopies(host, directory, [{ vault: 'nas', at, directory: '/vault', bytes: 1 }])
  if (rest.drilled) {
    await mkdir(join(directory, 'drills'))
    await writeFile(join(directory, 'drills', 'one.json'), JSON.stringify({ at, ok: true, checks: [] }))
  }
  if (!open) stage.store(events.report.done(reported(manifest.id, at)))
  return manifest.id
}

function reported(id: string, at: string) {
  const warnings = { count: 0, first: [] }
  return {
    id,
    source: 'docs',
    host: 'local',
    outcome: 'done' as const,
    ended: 'prune.done',
    at,
    verified: true,
    warnings,
    seconds: 1,
  }
}

const last = (count: number): NonNullable<HouseOptions['plans']> => ({ nightly: { keep: { last: count }, vaults: ['nas'] } })

/** A stage that keeps the last one, with a vault that nobody has used yet. */
async function rotated(plans = last(1), required = true): Promise<Stage> {
  return openStage({ plans, vaults: { nas: nas('/proc/holdfast/vault', required) } })
}

/** The days that are left after a run of the newest one, and what it said. */
async function pruned(stage: Stage): Promise<{ days: number[]; said: Pruned }> {
  const { exported } = await exportedBackup(stage, '2026-11-30T02:00:00.000Z')
  await made(stage, 30)
  const facts = [await prune.handle(replicated(exported), stage.context({ came: 'replicate.done' }))].flat()
  const days = (await readdir(stage.root)).map(name => Number(name.slice(-2))).sort((a, b) => a - b)
  return { days, said: events.prune.done.schema.parse(facts[0]?.data) }
}

test('what no rule keeps goes, and the fact says so; a second call finds nothing to do', async () => {
  const stage = await rotated()
  const ids = [await made(stage, 20), await made(stage, 21)]
  const { days, said } = await pruned(stage)
  expect(days).toEqual([30])
  expect(said.pruned).toEqual([{ place: 'local', kept: 1, removed: ids }])
  expect((await pruned(stage)).said.pruned).toEqual([{ place: 'local', kept: 1, removed: [] }])
})

const rules: [rule: string, given: Made][] = [
  ['is held', { held: true }],
  ['passed the last drill', { drilled: true }],
  ['a required vault lacks', { copied: false }],
  ['is in progress', { verified: false, open: true }],
]
test.each(rules)('never goes: what %s', async (_, given) => {
  const stage = await rotated()
  await made(stage, 20)
  await made(stage, 28, given)
  expect((await pruned(stage)).days).toEqual([28, 30])
})

test('never goes: what is being restored, however old it is', async () => {
  const stage = await rotated()
  await made(stage, 20)
  await stage.run.put('docs', `${await made(stage, 21)} r1`)
  expect((await pruned(stage)).days).toEqual([21, 30])
})

test('never goes: what a run is still copying; what a bus before this one began is over', async () => {
  const stage = await rotated()
  await made(stage, 28, { open: true })
  await made(stage, 29, { open: true })
  stage.store(events.export.done((await exportedBackup(stage, '2026-11-29T02:00:00.000Z')).exported))
  expect((await pruned(stage)).days).toEqual([29, 30])
})

test('never goes: the newest verified one, whatever failed since', async () => {
  const stage = await rotated()
  await made(stage, 20)
  await made(stage, 21)
  for (const day of [22, 23]) await made(stage, day, { failed: true })
  const { exported } = await exportedBackup(stage, '2026-11-30T02:00:00.000Z')
  await made(stage, 30, { failed: true })
  await prune.handle(replicated(exported), stage.context({ came: 'replicate.failed' }))
  expect(await readdir(stage.root)).toEqual(['2026-11-21', '2026-11-22', '2026-11-23', '2026-11-30'])
})

test('never goes: what a kept one builds on, however far down', async () => {
  const stage = await rotated()
  const parent = await made(stage, 20)
  const middle = await made(stage, 21, { parent })
  await made(stage, 22)
  await made(stage, 23, { parent: middle, held: true })
  expect((await pruned(stage)).days).toEqual([20, 21, 23, 30])
})

test('a run that nobody has heard of for a week is none: what it left goes', async () => {
  const stage = await rotated()
  await made(stage, 20, { verified: false, open: true })
  expect((await pruned(stage)).days).toEqual([30])
})

test('never goes: what is below the floor', async () => {
  const stage = await rotated({ nightly: { keep: { within: 1000, atLeast: 3 }, vaults: ['nas'] } })
  for (const day of [20, 21, 22]) await made(stage, day)
  expect((await pruned(stage)).days).toEqual([21, 22, 30])
})

test('what a vault lacks that is not required may go', async () => {
  const stage = await rotated(last(1), false)
  await made(stage, 21, { copied: false })
  expect((await pruned(stage)).days).toEqual([30])
})

test('a vault that is away is a problem that is said, and keeps nobody from pruning here', async () => {
  const stage = await rotated(last(1), false)
  await made(stage, 21)
  const { days, said } = await pruned(stage)
  expect(days).toEqual([30])
  expect(said.problems).toEqual([expect.stringContaining('vault nas: /proc/holdfast/vault is not there')])
})

test('a backup whose manifest was edited, and the backups of others, are left alone', async () => {
  const stage = await rotated()
  await made(stage, 20)
  await writeFile(join(stage.root, '2026-11-20', 'docs-020000Z', 'manifest.json'), '{}')
  await makeBackup(stage.root, { source: 'docs-old', at: '2026-11-21T02:00:00.000Z' })
  const { days, said } = await pruned(stage)
  expect(days).toEqual([20, 21, 30])
  expect(said.problems.join()).toContain('is not what Holdfast writes')
})

test('after a copy failed: it prunes all the same, and hands the error on', async () => {
  const stage = await rotated()
  await made(stage, 21)
  const { exported } = await exportedBackup(stage, '2026-11-30T02:00:00.000Z')
  await made(stage, 30)
  const failed = { ...exported, error: failure, attempts: 5 }
  const facts = [await prune.handle(failed, stage.context({ came: 'replicate.failed' }))].flat()
  expect(facts[0]?.data).toMatchObject({ error: failure, pruned: [{ place: 'local', kept: 1 }] })
})
