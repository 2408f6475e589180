import { describe, expect, test } from 'vitest'
import { minute, plan, slots } from './slots.ts'

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
