import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayIn } from '../../infra/layout.ts'
import { countedTo, nextSlot, scheduleProblem, slotsBetween, type Timing } from '../../infra/schedule.ts'

const minute = 60_000
const day = 86_400_000

function plan(schedule: string | string[], zone: string, stagger: Record<string, number> = {}): Timing {
  return { schedule: [schedule].flat(), zone, stagger }
}

/** Every slot after one moment up to another, found by going from one to the next. */
function slots(timing: Timing, from: string | Date, until: string | Date, host = 'local'): string[] {
  const found: string[] = []
  for (let slot = nextSlot(timing, host, new Date(from)); slot && slot <= new Date(until); slot = nextSlot(timing, host, slot))
    found.push(utc(slot))
  return found
}

function utc(slot: Date): string {
  return slot.toISOString().replace(/:00\.000Z$/, 'Z')
}

/** The night before a change of the clocks, and the two days after. */
const changes: Record<string, Record<'spring' | 'autumn', [string, string]>> = {
  'Europe/Zurich': { spring: ['2026-03-28T12:00Z', '2026-03-30T12:00Z'], autumn: ['2026-10-24T12:00Z', '2026-10-26T12:00Z'] },
  'America/New_York': { spring: ['2026-03-07T18:00Z', '2026-03-09T18:00Z'], autumn: ['2026-10-31T18:00Z', '2026-11-02T18:00Z'] },
  'Australia/Lord_Howe': {
    spring: ['2026-10-03T00:00Z', '2026-10-05T00:00Z'],
    autumn: ['2026-04-04T00:00Z', '2026-04-06T00:00Z'],
  },
}

function around(expression: string, zone: string, season: 'spring' | 'autumn'): string[] {
  const [from, until] = changes[zone]?.[season] ?? ['', '']
  return slots(plan(expression, zone), from, until)
}

describe('when the clocks change', () => {
  test.each([
    // The hour from 2 to 3 is missing: once, when it would have begun.
    ['0 2 * * *', 'Europe/Zurich', 'spring', ['2026-03-29T01:00Z', '2026-03-30T00:00Z']],
    ['15 2 * * *', 'Europe/Zurich', 'spring', ['2026-03-29T01:00Z', '2026-03-30T00:15Z']],
    ['30 2 * * *', 'Europe/Zurich', 'spring', ['2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    ['0 2 * * *', 'America/New_York', 'spring', ['2026-03-08T07:00Z', '2026-03-09T06:00Z']],
    ['30 2 * * *', 'America/New_York', 'spring', ['2026-03-08T07:00Z', '2026-03-09T06:30Z']],
    // Half an hour is missing here.
    ['0 2 * * *', 'Australia/Lord_Howe', 'spring', ['2026-10-03T15:30Z', '2026-10-04T15:00Z']],
    ['15 2 * * *', 'Australia/Lord_Howe', 'spring', ['2026-10-03T15:30Z', '2026-10-04T15:15Z']],
    ['30 2 * * *', 'Australia/Lord_Howe', 'spring', ['2026-10-03T15:30Z', '2026-10-04T15:30Z']],
    // A time exists twice: the first.
    ['0 2 * * *', 'Europe/Zurich', 'autumn', ['2026-10-25T00:00Z', '2026-10-26T01:00Z']],
    ['30 2 * * *', 'Europe/Zurich', 'autumn', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    ['30 1 * * *', 'America/New_York', 'autumn', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
    ['30 1 * * *', 'Australia/Lord_Howe', 'autumn', ['2026-04-04T14:30Z', '2026-04-05T15:00Z']],
    // Steps and lists within one hour are a night's work too.
    ['*/30 2 * * *', 'Europe/Zurich', 'spring', ['2026-03-29T01:00Z', '2026-03-30T00:00Z', '2026-03-30T00:30Z']],
    [
      '*/30 2 * * *',
      'Europe/Zurich',
      'autumn',
      ['2026-10-25T00:00Z', '2026-10-25T00:30Z', '2026-10-26T01:00Z', '2026-10-26T01:30Z'],
    ],
    [
      '0 */12 * * *',
      'Europe/Zurich',
      'spring',
      ['2026-03-28T23:00Z', '2026-03-29T10:00Z', '2026-03-29T22:00Z', '2026-03-30T10:00Z'],
    ],
  ] as const)('%s in %s, %s', (expression, zone, season, expected) => {
    expect(around(expression, zone, season)).toEqual(expected)
  })

  test.each([
    ['0 * * * *', 'Europe/Zurich', 60],
    ['30 * * * *', 'America/New_York', 60],
    ['*/15 * * * *', 'Europe/Zurich', 15],
    ['*/15 * * * *', 'America/New_York', 15],
    ['*/15 * * * *', 'Australia/Lord_Howe', 15],
  ])('%s in %s runs every %i real minutes, whatever the clocks say', (expression, zone, minutes) => {
    for (const season of ['spring', 'autumn'] as const) {
      const times = around(expression, zone, season).map(slot => Date.parse(slot))
      expect(times.length).toBe((48 * 60) / minutes)
      expect(new Set(times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / minute))).toEqual(new Set([minutes]))
    }
  })

  test.each(['spring', 'autumn'] as const)('by half an hour, an hourly plan makes one pause of 90 minutes: %s', season => {
    const times = around('0 * * * *', 'Australia/Lord_Howe', season).map(slot => Date.parse(slot))
    const pauses = times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / minute)
    expect(pauses.filter(pause => pause !== 60)).toEqual([90])
  })
})

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
