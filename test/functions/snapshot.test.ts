import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Due, events } from '../../bus/events.ts'
import { NotYet } from '../../bus/function.ts'
import plan from '../../functions/plan.ts'
import snapshot from '../../functions/snapshot.ts'
import { writeDocument } from '../../infra/backups.ts'
import { VERIFIED } from '../../infra/layout.ts'
import { stateBelow } from '../../infra/recover.ts'
import { writeJournal } from '../../infra/restore/journal.ts'
import { exportedBackup } from './facts.ts'
import { openStage, type Stage } from './stage.ts'

function due(second = '00', more: Partial<Due> = {}): Due {
  return {
    id: `docs-20261121T0200${second}Z`,
    source: 'docs',
    host: 'local',
    kind: 'files',
    at: `2026-11-21T02:00:${second}.000Z`,
    day: '2026-11-21',
    plans: ['nightly'],
    cause: 'tick-1',
    ...more,
  }
}

async function readyStage(): Promise<Stage> {
  const stage = await openStage()
  await mkdir(join(stage.directory, 'data'))
  await writeFile(join(stage.directory, 'data', 'letter'), 'dear reader')
  return stage
}

/** What it says: `done`, or why it was skipped. */
async function outcome(stage: Stage, data: Due): Promise<string> {
  const fact = [await snapshot.handle(data, stage.context())].flat()[0]
  return fact?.event.type === events.snapshot.skipped.type ? events.snapshot.skipped.schema.parse(fact.data).skipped : 'done'
}

test('a window that is past: skipped, and nothing is held', async () => {
  const stage = await readyStage()
  const past = new Date(Date.now() - 1000).toISOString()
  expect(await outcome(stage, due('00', { expires: past }))).toBe(`its window ended at ${past}`)
  expect(await stage.run.get('docs')).toBeUndefined()
  expect(await outcome(stage, due('00', { expires: new Date(Date.now() + 60_000).toISOString() }))).toBe('done')
})

test('a run that began before its window ended goes on after it', async () => {
  const stage = await readyStage()
  await stage.run.put('docs', due().id)
  expect(await outcome(stage, due('00', { expires: new Date(Date.now() - 1000).toISOString() }))).toBe('done')
})

test('a due that a newer one has overtaken is skipped, the newer one is not', async () => {
  const stage = await readyStage()
  const tick = (time: string) =>
    plan.handle(
      { data: { sources: ['docs'] }, clock: false },
      stage.context({ cause: { id: time, time: new Date(time), sequence: 1, behind: 0 } }),
    )
  const now = Date.now()
  const ids = []
  for (const at of [now - 5000, now]) ids.push(events.plan.due.schema.parse((await tick(new Date(at).toISOString()))[0]?.data).id)
  const [older = '', newer = ''] = ids
  expect(await outcome(stage, due('00', { id: older }))).toBe(`overtaken by ${newer}`)
  expect(await outcome(stage, due('00', { id: newer }))).toBe('done')
})

test('a source called due and a plan of the same name as a source are not taken for one another', async () => {
  const stage = await openStage({ plans: { docs: { schedule: ['0 2 * * *'] } }, files: { docs: {}, due: {} } })
  await mkdir(join(stage.directory, 'data'))
  const time = new Date()
  await plan.handle({ data: {}, clock: true }, stage.context({ cause: { id: 'a', time, sequence: 1, behind: 0 } }))
  const slot = await stage.planned.get('due.docs')
  await plan.handle(
    { data: { sources: ['docs'] }, clock: false },
    stage.context({ cause: { id: 'b', time, sequence: 2, behind: 0 } }),
  )
  expect(await stage.planned.get('due.docs')).toEqual(slot)
})

test('waits while another run or a restore has the source, and goes on when that is over', async () => {
  const stage = await readyStage()
  const restore = { id: 'docs-20261101T020000Z', source: 'docs', host: 'local', request: 'r1' }
  await stage.run.put('docs', `${restore.id} ${restore.request}`)
  await expect(outcome(stage, due())).rejects.toBeInstanceOf(NotYet)
  stage.store(events.restore.done({ ...restore, from: 'local', targets: [], aside: [], checks: [], seconds: 1 }))
  expect(await outcome(stage, due())).toBe('done')
  expect((await stage.run.get('docs'))?.value).toBe(due().id)
})

test('what older runs of the source left unfinished goes, what others do stays', async () => {
  const stage = await readyStage()
  const day = join(stage.root, '2026-11-20')
  for (const name of ['.docs-020000Z.partial-7', '.mail-020000Z.partial-7']) await mkdir(join(day, name), { recursive: true })
  await outcome(stage, due())
  expect(await readdir(day)).toEqual(['.mail-020000Z.partial-7'])
})

test('what a restore left half exchanged is not backed up; one to another place, or one that ended, is no reason', async () => {
  const stage = await readyStage()
  const journal = { version: 1 as const, token: 'cli-1', backup: 'docs-20261101T020000Z', began: '2026-11-21T03:00:00.000Z' }
  const rest = { steps: [], scratch: [], leftOut: false, checks: [] }
  const write = (phase: 'stopped' | 'done', elsewhere: boolean) =>
    writeJournal(stage.tools.host('local'), stateBelow(stage.root), { ...journal, ...rest, phase, elsewhere })
  await write('stopped', false)
  await expect(outcome(stage, due())).rejects.toMatchObject({
    message: expect.stringContaining('docs is half restored'),
    retryable: false,
    hint: expect.stringContaining('holdfast restore docs-20261101T020000Z'),
  })
  await write('stopped', true)
  expect(await outcome(stage, due())).toBe('done')
  await write('done', false)
  expect(await outcome(stage, due())).toBe('done')
})

test.each([
  [10, ['2026-11-20']],
  [50, ['2026-11-18', '2026-11-19', '2026-11-20']],
])('with %i %% of the disk free, what retention lets go goes before the run only where room is scarce', async (free, days) => {
  const stage = await openStage({ plans: { nightly: { keep: { last: 1 } } } })
  await mkdir(join(stage.directory, 'data'))
  for (const day of [18, 19, 20]) {
    const { backup } = await exportedBackup(stage, `2026-11-${day}T02:00:00.000Z`)
    const { at } = backup.manifest
    await writeDocument(stage.tools.host('local'), backup.directory, VERIFIED, { at, manifest: backup.digest, checks: [] })
  }
  const host = { ...stage.tools.host('local'), space: async () => ({ free: free * 1e9, total: 100e9 }) }
  const source = (name: string) => ({ ...stage.tools.source(name), host })
  await snapshot.handle(due(), stage.context({ tools: { ...stage.tools, source } }))
  expect((await readdir(stage.root)).filter(name => name.startsWith('2026'))).toEqual(days)
})
