import { describe, expect, test } from 'vitest'
import { events } from '../../bus/events.ts'
import { openStage } from './stage.ts'
import { dues, handle, ids, ownTime, refusals, tick, ticks } from './ticks.ts'

ownTime()

const nightly = { schedule: ['0 2 * * *'] }
const hourly = { schedule: ['0 * * * *'] }

describe('what is asked for', () => {
  test('is due at the moment of the tick, with all that was asked', async () => {
    const stage = await openStage()
    const facts = await tick(stage, '2026-11-21T10:11:12.345Z', {
      sources: ['docs'],
      keep: 'forever',
      reason: 'why',
    })
    expect(dues(facts)).toMatchObject([{ id: 'docs-20261121T101112Z', keep: 'forever', reason: 'why' }])
    expect(dues(facts)[0]).not.toHaveProperty('expires')
  })

  test('in a mode that its kind has not: refused', async () => {
    const facts = await tick(await openStage(), '2026-11-21T10:11:12Z', { sources: ['docs'], mode: 'live' })
    expect(refusals(facts)).toEqual(['a source of the kind files has no mode "live"'])
  })

  test('twice in one second: the second is told so', async () => {
    const stage = await openStage()
    await tick(stage, '2026-11-21T10:11:12.100Z', { sources: ['docs'], reason: 'first' })
    const facts = await tick(stage, '2026-11-21T10:11:12.900Z', { sources: ['docs'] })
    expect(refusals(facts)).toEqual(['already planned as docs-20261121T101112Z ("first")'])
  })

  test('while a run goes on: refused, until its release has settled', async () => {
    const stage = await openStage()
    const named = { id: 'docs-20261121T100000Z', source: 'docs', host: 'local' }
    await stage.run.put('docs', named.id)
    expect(refusals(await tick(stage, '2026-11-21T10:11:12Z', { sources: ['docs'] }))).toEqual([
      'docs is being backed up: docs-20261121T100000Z has not ended',
    ])
    stage.store(events.release.done({ ...named, released: [] }))
    expect(ids(await tick(stage, '2026-11-21T10:11:13Z', { sources: ['docs'] }))).toEqual(['docs-20261121T101113Z'])
  })

  test('a slot in which a run still goes on is refused once, and the next one is planned', async () => {
    const stage = await openStage({ plans: { hourly } })
    await tick(stage, '2026-11-21T00:30:00Z')
    await stage.run.put('docs', 'docs-20261121T002900Z')
    const facts = await ticks(stage, '2026-11-21T01:00:00Z', '2026-11-21T01:30:00Z')
    expect(refusals(facts)).toHaveLength(1)
    expect(facts).toHaveLength(1)
    stage.store(events.release.done({ id: 'docs-20261121T002900Z', source: 'docs', host: 'local', released: [] }))
    expect(ids(await tick(stage, '2026-11-21T02:00:00Z'))).toEqual(['docs-20261121T020000Z'])
  })

  test('an unknown source does not keep a known one from its backup', async () => {
    const stage = await openStage()
    const facts = await tick(stage, '2026-11-21T10:11:12Z', { sources: ['dosc', '../docs', 'docs'] })
    expect(ids(facts)).toEqual(['docs-20261121T101112Z'])
    expect(facts.map(({ data: { source } }) => source)).toEqual(['dosc', undefined, 'docs'])
    expect(facts[0]?.data).toMatchObject({ error: { hint: 'Did you mean docs?' }, input: '"dosc"' })
  })

  test('a plan that does not exist is refused by name, and the others are planned', async () => {
    const stage = await openStage({ plans: { a: {} }, files: { docs: { plans: ['a'] } } })
    const facts = await tick(stage, '2026-11-21T10:11:12Z', { plans: ['a', 'b', 'c'] })
    expect(ids(facts)).toEqual(['docs-20261121T101112Z'])
    expect(facts[0]?.data).toMatchObject({ error: { message: expect.stringContaining('"b", "c"'), hint: 'There is: a.' } })
  })

  test('a trigger: every source of the plans, by those plans', async () => {
    const files = { docs: { plans: ['a', 'b'] }, mail: { plans: ['c'] }, zeus: { plans: ['b', 'c'] } }
    const stage = await openStage({ plans: { a: {}, b: {}, c: {} }, files })
    const facts = await tick(stage, '2026-11-21T10:11:12Z', { plans: ['a', 'b'], cause: 'orders.placed' })
    expect(dues(facts).map(({ source, plans, reason }) => [source, plans, reason])).toEqual([
      ['docs', ['a', 'b'], 'triggered by orders.placed'],
      ['zeus', ['b'], 'triggered by orders.placed'],
    ])
  })
})

describe('old ticks', () => {
  test("a clock's is left alone after 90 s where another one follows", async () => {
    const stage = await openStage({ plans: { nightly } })
    await tick(stage, '2026-11-20T12:00:00Z')
    const clock = { data: {}, clock: true }
    expect(await handle(stage, '2026-11-21T02:00:00Z', clock, 90_001, 1)).toEqual([])
    expect(ids(await handle(stage, '2026-11-21T02:01:00Z', clock, 89_000))).toEqual(['docs-20261121T020000Z'])
  })

  test("a clock's that nothing follows is looked at, as our own clock may be ahead", async () => {
    const stage = await openStage({ plans: { nightly } })
    await tick(stage, '2026-11-20T12:00:00Z')
    expect(ids(await handle(stage, '2026-11-21T02:00:00Z', { data: {}, clock: true }, 600_000))).toHaveLength(1)
  })

  test("a person's is rejected aloud after tickMaxAge", async () => {
    const stage = await openStage()
    const asked = { data: { sources: ['docs'] }, clock: false }
    const facts = await handle(stage, '2026-11-21T02:00:00Z', asked, 3600_001)
    expect(refusals(facts)).toEqual(['asked for at 2026-11-21T02:00:00.000Z, which is too long ago to be meant now'])
    expect(facts[0]?.data).toMatchObject({
      input: '{"sources":["docs"]}',
      error: { hint: expect.stringContaining('tickMaxAge') },
    })
    expect(ids(await handle(stage, '2026-11-21T02:00:00Z', asked, 3599_000))).toHaveLength(1)
  })

  test('what is not understood is rejected with its reason and what it said', async () => {
    const stage = await openStage()
    const facts = await handle(stage, '2026-11-21T02:00:00Z', { error: 'it is not JSON', input: 'please' })
    expect(facts.map(({ event, data }) => ({ type: event.type, data }))).toMatchObject([
      { type: 'plan.rejected', data: { error: { message: 'it is not JSON', retryable: false }, input: 'please' } },
    ])
  })
})
