import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import plan from '../../functions/plan.ts'
import { makeBackup } from '../services/backup.ts'
import { openStage, type Stage } from './stage.ts'
import { dues, ids, ownTime, tick, ticks } from './ticks.ts'

ownTime()

const nightly = { schedule: ['0 2 * * *'] }
const hourly = { schedule: ['0 * * * *'] }

describe('the schedule', () => {
  test('a slot is due at its minute, once', async () => {
    const stage = await openStage({ plans: { nightly } })
    const facts = await ticks(stage, '2026-11-21T00:00:00Z', '2026-11-21T04:00:00Z')
    expect(ids(facts)).toEqual(['docs-20261121T020000Z'])
    expect(dues(facts)).toMatchObject([{ source: 'docs', day: '2026-11-21', plans: ['nightly'], at: '2026-11-21T02:00:00.000Z' }])
    expect(facts).toHaveLength(1)
  })

  test('after a sleep the newest missed slot alone is caught up, and the others are named', async () => {
    const stage = await openStage({ plans: { nightly } })
    await tick(stage, '2026-11-18T12:00:00Z')
    const facts = await tick(stage, '2026-11-21T08:00:30Z')
    expect(facts.map(({ event }) => event.type)).toEqual(['plan.missed', 'plan.due'])
    expect(ids(facts)).toEqual(['docs-20261121T020000Z'])
    expect(facts[0]?.data).toMatchObject({
      plan: 'nightly',
      missed: 2,
      from: '2026-11-19T02:00:00.000Z',
      planned: '2026-11-21T02:00:00.000Z',
    })
    expect(await ticks(stage, '2026-11-21T08:01:00Z', '2026-11-21T08:10:00Z')).toEqual([])
  })

  test('a tick that is read twice says the same again', async () => {
    const stage = await openStage({ plans: { nightly } })
    await tick(stage, '2026-11-20T12:00:00Z')
    const time = new Date('2026-11-21T02:00:00Z')
    vi.setSystemTime(time)
    const cause = { id: 'tick-7', time, sequence: 7, behind: 0 }
    const again = () => plan.handle({ data: {}, clock: true }, stage.context({ cause }))
    const first = await again()
    expect(ids(first)).toEqual(['docs-20261121T020000Z'])
    expect(await again()).toEqual(first)
  })

  test('several plans in one slot make one due that names them all', async () => {
    const stage = await openStage({ plans: { nightly, hourly } })
    const facts = await ticks(stage, '2026-11-21T00:30:00Z', '2026-11-21T03:30:00Z')
    expect(dues(facts).map(({ id, plans }) => [id, plans])).toEqual([
      ['docs-20261121T010000Z', ['hourly']],
      ['docs-20261121T020000Z', ['nightly', 'hourly']],
      ['docs-20261121T030000Z', ['hourly']],
    ])
  })

  test('hosts are staggered', async () => {
    const staggered = { ...nightly, stagger: { far: 600_000 } }
    const stage = await openStage({ hosts: ['far'], plans: { nightly: staggered }, files: { docs: {}, mail: { host: 'far' } } })
    const facts = await ticks(stage, '2026-11-21T01:00:00Z', '2026-11-21T03:00:00Z')
    expect(ids(facts)).toEqual(['docs-20261121T020000Z', 'mail-20261121T021000Z'])
  })

  test.each([
    ['spring', '2026-03-28T12:00:00Z', '2026-03-30T12:00:00Z', ['2026-03-29', '2026-03-30']],
    ['autumn', '2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z', ['2026-10-25', '2026-10-26']],
  ])('the change of the clocks in %s neither skips nor doubles a night', async (_, from, to, days) => {
    const zurich = { schedule: ['30 2 * * *'], zone: 'Europe/Zurich' }
    const stage = await openStage({ plans: { nightly: zurich } })
    expect(dues(await ticks(stage, from, to, 10)).map(({ day }) => day)).toEqual(days)
  })

  test('with several plans a window counts only where every plan has one', async () => {
    const windowed = { ...nightly, window: 3600_000 }
    const [one, both] = [await openStage({ plans: { windowed } }), await openStage({ plans: { windowed, nightly } })]
    const facts = async (stage: Stage) => dues(await ticks(stage, '2026-11-21T01:59:00Z', '2026-11-21T02:00:00Z'))
    expect(await facts(one)).toMatchObject([{ expires: '2026-11-21T03:00:00.000Z' }])
    expect((await facts(both))[0]).not.toHaveProperty('expires')
  })

  test('a host that cannot be looked at keeps its own sources from being planned, not those of the others', async () => {
    const stage = await openStage({ hosts: ['far'], plans: { hourly }, files: { docs: {}, mail: { host: 'far' } } })
    await stage.planned.put('docs.hourly', '2026-11-21T01:00:00.000Z')
    await symlink('far', join(stage.directory, 'far'))
    const planning = tick(stage, '2026-11-21T02:00:00Z')
    await expect(planning).rejects.toMatchObject({ message: expect.stringContaining('far'), retryable: true })
    await expect(planning).rejects.toMatchObject({ facts: [{ data: { id: 'docs-20261121T020000Z' } }] })
  })
})

describe('a bus that knows nothing', () => {
  test('goes on from the newest backup of the plan: the slot since is caught up', async () => {
    const stage = await openStage({ plans: { nightly } })
    await makeBackup(stage.root, { source: 'docs', at: '2026-11-18T02:00:00.000Z' })
    expect(await tick(stage, '2026-11-20T12:00:00Z')).toEqual([])
    expect(ids(await tick(stage, '2026-11-20T12:01:00Z'))).toEqual(['docs-20261120T020000Z'])
  })

  test('does not start everything: what was backed up in the newest slot waits for the next', async () => {
    const files = { docs: {}, mail: {}, zeus: {} }
    const stage = await openStage({ plans: { nightly }, files })
    for (const source of Object.keys(files)) await makeBackup(stage.root, { source, at: '2026-11-21T02:00:00.000Z' })
    expect(await ticks(stage, '2026-11-21T12:00:00Z', '2026-11-21T12:10:00Z')).toEqual([])
    expect(ids(await ticks(stage, '2026-11-22T02:00:00Z', '2026-11-22T02:01:00Z'))).toHaveLength(3)
  })

  test('without any backup it begins now', async () => {
    const stage = await openStage({ plans: { nightly } })
    expect(await ticks(stage, '2026-11-21T12:00:00Z', '2026-11-21T12:10:00Z')).toEqual([])
    expect(ids(await tick(stage, '2026-11-22T02:00:00Z'))).toEqual(['docs-20261122T020000Z'])
  })
})
