import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayIn } from '../../infra/layout.ts'
import { countedTo, nextSlot, scheduleProblem, slotsBetween } from '../../infra/schedule.ts'
import { day, minute, plan, slots, utc } from './slots.ts'

describe('slots', () => {
  const nightly = plan('0 2 * * *', 'UTC', { r420: 10 * minute })

  test('are the expression and the stagger', () => {
    expect(slots(nightly, '2026-01-01T00:00Z', '2026-01-02T12:00Z')).toEqual(['2026-01-01T02:00Z', '2026-01-02T02:00Z'])
    expect(slots(nightly, '2026-01-01T00:00Z', '2026-01-02T12:00Z', 'r420')).toEqual(['2026-01-01T02:10Z', '2026-01-02T02:10Z'])
  })

  test('of several expressions are joined', () => {
    const both = plan(['0 2 * * *', '0 */12 * * *', '0 2 1 * *'], 'UTC')
    expect(slots(both, '2026-01-01T00:00Z', '2026-01-02T01:00Z')).toEqual([
      '2026-01-01T02:00Z',
      '2026-01-01T12:00Z',
      '2026-01-02T00:00Z',
    ])
    expect(slotsBetween(both, 'local', new Date('2026-01-01T00:00Z'), new Date('2026-01-01T23:00Z'))?.missed).toBe(1)
  })

  test('are none without a schedule', () => {
    expect(nextSlot(plan([], 'UTC'), 'local', new Date(0))).toBeUndefined()
    expect(slotsBetween(plan([], 'UTC'), 'local', new Date(0), new Date())).toBeUndefined()
  })

  test('only the newest is due, the others are counted', () => {
    const due = (after: string, until: string, host = 'local') => slotsBetween(nightly, host, new Date(after), new Date(until))
    const newest = new Date('2026-01-04T02:00Z')
    expect(due('2026-01-03T02:00Z', '2026-01-04T01:59:59.999Z')).toBeUndefined()
    expect(due('2026-01-03T02:00Z', '2026-01-04T02:00Z')).toEqual({ newest, missed: 0, oldest: newest })
    expect(due('2026-01-01T02:00Z', '2026-01-04T15:00Z')).toEqual({ newest, missed: 2, oldest: new Date('2026-01-02T02:00Z') })
    expect(due('2026-01-03T02:10Z', '2026-01-04T02:05Z', 'r420')).toBeUndefined()
    expect(due('2026-01-03T02:09Z', '2026-01-04T02:09Z', 'r420')?.newest).toEqual(new Date('2026-01-03T02:10Z'))
  })

  test('a minute-wise plan that slept for years is not counted to the end', () => {
    const due = slotsBetween(
      plan('* * * * *', 'Europe/Zurich'),
      'local',
      new Date('2016-01-01T00:00Z'),
      new Date('2026-01-01T00:00Z'),
    )
    expect(due).toEqual({
      newest: new Date('2026-01-01T00:00Z'),
      missed: countedTo,
      oldest: new Date(Date.parse('2026-01-01T00:00Z') - countedTo * minute),
    })
  })
})

describe('for every time of day, zone and year', () => {
  const zones = fc.constantFrom(
    'UTC',
    'Europe/Zurich',
    'America/New_York',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'America/Santiago',
    'Africa/Casablanca',
  )
  const time = fc.record({ minute: fc.nat(59), hour: fc.nat(23) })
  const start = fc.date({ min: new Date('2020-01-01T00:00Z'), max: new Date('2032-01-01T00:00Z'), noInvalidDate: true })

  test('each local day has one slot', () => {
    fc.assert(
      fc.property(time, zones, start, ({ minute, hour }, zone, from) => {
        const until = new Date(from.getTime() + 200 * day)
        const days = slots(plan(`${minute} ${hour} * * *`, zone), from, until).map(slot => dayIn(zone, new Date(slot)))
        const all = Array.from({ length: 199 * 4 }, (_, index) => dayIn(zone, new Date(from.getTime() + (index * day) / 4)))
        const [first, last] = [dayIn(zone, from), dayIn(zone, until)]
        expect(new Set(days).size).toBe(days.length)
        expect([...new Set(all)].filter(one => one !== first && one !== last && !days.includes(one))).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  test('forwards and backwards agree', () => {
    const expressions = fc.constantFrom(
      '0 2 * * *',
      '*/15 2 * * *',
      '0 * * * *',
      '*/20 * * * *',
      '30 1-4 * * *',
      '0 3 * * 1-5',
      '0 4 1 * *',
    )
    fc.assert(
      fc.property(
        expressions,
        zones,
        start,
        fc.integer({ min: 1, max: 4_000 }),
        fc.nat(120),
        (expression, zone, from, minutes, stagger) => {
          const timing = plan(expression, zone, { local: stagger * minute })
          const until = new Date(from.getTime() + minutes * minute)
          const forwards = slots(timing, from, until)
          const due = slotsBetween(timing, 'local', from, until)
          expect(due && utc(due.newest)).toBe(forwards.at(-1))
          expect(due && utc(due.oldest)).toBe(forwards[0])
          expect(due ? due.missed + 1 : 0).toBe(forwards.length)
          expect(forwards).toEqual([...new Set(forwards)].sort())
        },
      ),
      { numRuns: 100 },
    )
  })
})

test.each([
  ['0 2 * * *', undefined],
  ['@daily', undefined],
  ['*/15 8-18 * * MON-FRI', undefined],
  ['0 25 * * *', 'Invalid value for hour: 25'],
  ['0 2 * *', expect.stringContaining('five')],
  ['0 0 2 * * *', expect.stringContaining('5 parts')],
  ['2026-01-01T00:00:00', expect.stringContaining('five')],
  ['every night', expect.any(String)],
  ['0 0 31 2 *', 'there is no such date, so it would never run'],
])('%s: %s', (expression, problem) => {
  expect(scheduleProblem(expression)).toEqual(problem)
})
