import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  backupDirectory,
  backupId,
  dayIn,
  directoryName,
  parseBackupId,
  sourceOfDirectory,
  unfinished,
} from '../../infra/layout.ts'

const moment = fc.date({ min: new Date('2020-01-01'), max: new Date('2035-01-01'), noInvalidDate: true })
const source = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/)
const zone = fc.constantFrom('UTC', 'Europe/Zurich', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Kiritimati')
const whole = (at: Date) => new Date(Math.floor(at.getTime() / 1000) * 1000)
const place = (name: string, at: Date, zone: string) => backupDirectory('/r', { id: backupId(name, at), day: dayIn(zone, at) })

describe('directory names', () => {
  test('short where the dates agree, the whole id where they do not', () => {
    expect(directoryName({ id: 'zeus-20261121T020000Z', day: '2026-11-21' })).toBe('zeus-020000Z')
    expect(directoryName({ id: 'zeus-20261024T220000Z', day: '2026-10-25' })).toBe('zeus-20261024T220000Z')
  })

  test('both hours of a day of 25 have a place of their own', () => {
    const [first, last] = ['2026-10-24T22:00:00Z', '2026-10-25T22:00:00Z'].map(at => new Date(at))
    expect(first && last && place('docs', first, 'Europe/Zurich')).not.toBe(first && last && place('docs', last, 'Europe/Zurich'))
  })

  test('no two points in time share a place, whatever the zones', () => {
    fc.assert(
      fc.property(source, moment, fc.integer({ min: -200_000, max: 200_000 }), zone, zone, (name, at, seconds, one, other) => {
        const [a, b] = [whole(at), whole(new Date(at.getTime() + seconds * 1000))]
        expect(place(name, a, one) === place(name, b, other)).toBe(
          a.getTime() === b.getTime() && dayIn(one, a) === dayIn(other, b),
        )
      }),
    )
  })

  test('tell their source, also while unfinished', () => {
    fc.assert(
      fc.property(source, moment, zone, (name, at, where) => {
        const backup = { id: backupId(name, at), day: dayIn(where, at) }
        expect(sourceOfDirectory(directoryName(backup))).toBe(name)
        expect(unfinished(`.${directoryName(backup)}.partial-17`)).toEqual({ of: directoryName(backup), state: 'partial' })
        expect(parseBackupId(backup.id)?.source).toBe(name)
      }),
    )
  })
})
