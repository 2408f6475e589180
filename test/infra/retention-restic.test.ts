/** The rules are restic's: the same snapshots and policies must leave the same ones. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Policy, retain } from '../../infra/retention.ts'
import { requires } from '../services/requires.ts'
import { candidate } from './candidates.ts'
import { ResticRepository } from './restic-repository.ts'

const hour = 3_600_000
const zone = 'Europe/Zurich'

/** Around both clock changes, the year's end (ISO week 53) and a gap of a year; several of an hour, a day and a week. */
const moments = [
  ...Array.from({ length: 12 }, (_, index) => Date.parse('2020-03-28T20:10:00Z') + index * 35 * 60_000),
  ...Array.from({ length: 12 }, (_, index) => Date.parse('2020-10-24T21:30:00Z') + index * 20 * 60_000),
  ...Array.from({ length: 10 }, (_, index) => Date.parse('2020-12-24T23:30:00Z') + index * 31 * hour),
  ...Array.from({ length: 12 }, (_, index) => Date.parse('2018-01-31T12:00:00Z') + index * 23 * 24 * hour),
].map(time => new Date(time))

const policies: [string, Policy, string[]][] = [
  ['last', { last: 7 }, ['--keep-last', '7']],
  ['hourly', { hourly: 20 }, ['--keep-hourly', '20']],
  ['daily and weekly', { daily: 9, weekly: 20 }, ['--keep-daily', '9', '--keep-weekly', '20']],
  ['monthly and yearly', { monthly: 8, yearly: 3 }, ['--keep-monthly', '8', '--keep-yearly', '3']],
  ['within', { within: 62 * hour, last: 1 }, ['--keep-within', '62h', '--keep-last', '1']],
  [
    'all of them',
    { last: 2, hourly: 5, daily: 4, weekly: 3, monthly: 2, yearly: 5, within: 7 * 24 * hour },
    ['-l', '2', '-H', '5', '-d', '4', '-w', '3', '-m', '2', '-y', '5', '--keep-within', '168h'],
  ],
]

requires('restic')("restic's forget", () => {
  let directory = ''
  let repository: ResticRepository | undefined
  const ids = new Map<string, string>()

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-restic-'))
    repository = new ResticRepository(directory)
    for (const at of moments) ids.set(repository.add(at, zone), at.toISOString())
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test.each(policies)('%s', (_name, policy, options) => {
    const theirs = repository?.kept(options).map(id => ids.get(id))
    const backups = moments.map(at => candidate({ id: at.toISOString(), at }))
    const ours = retain(backups, policy, { zone }).filter(({ keep }) => keep)
    expect(ours.map(({ id }) => id).sort()).toEqual(theirs?.sort())
    expect(ours.length).toBeLessThan(moments.length)
  })
})
