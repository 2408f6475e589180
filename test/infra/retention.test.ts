import { describe, expect, test } from 'vitest'
import { type Candidate, type Policy, retain } from '../../infra/retention.ts'
import { candidate, kept, zone } from './candidates.ts'

/** Backups of these moments (UTC), by name. */
function at(...moments: string[]): Candidate[] {
  return moments.map(moment => candidate({ id: moment, at: new Date(`${moment}Z`) }))
}

function reasonsOf(backups: readonly Candidate[], policy: Policy, id: string): string[] | undefined {
  return retain(backups, policy, { zone }).find(verdict => verdict.id === id)?.reasons
}

describe('rules', () => {
  const nights = at(
    '2026-11-15T02:00',
    '2026-11-16T02:00',
    '2026-11-19T02:00',
    '2026-11-19T14:00',
    '2026-11-20T02:00',
    '2026-11-21T02:00',
  )
  const quarters = at('2025-03-31T21:59', '2025-03-31T22:01', '2025-09-30T22:30', '2025-12-31T22:30', '2025-12-31T23:30')

  test.each<[string, Candidate[], Policy, string[]]>([
    ['last counts backups, not days', nights, { last: 3 }, ['2026-11-21T02:00', '2026-11-20T02:00', '2026-11-19T14:00']],
    ['daily keeps the newest of a day', nights, { daily: 3 }, ['2026-11-21T02:00', '2026-11-20T02:00', '2026-11-19T14:00']],
    [
      'days without a backup do not count',
      nights,
      { daily: 4 },
      ['2026-11-21T02:00', '2026-11-20T02:00', '2026-11-19T14:00', '2026-11-16T02:00'],
    ],
    ['weeks begin on Monday', nights, { weekly: 2 }, ['2026-11-21T02:00', '2026-11-15T02:00']],
    ['hourly', nights, { hourly: 2 }, ['2026-11-21T02:00', '2026-11-20T02:00']],
    [
      'within counts from the newest backup',
      nights,
      { within: 49 * 3_600_000 },
      ['2026-11-21T02:00', '2026-11-20T02:00', '2026-11-19T02:00', '2026-11-19T14:00'].sort().reverse(),
    ],
    [
      'what is exactly as old as within goes',
      nights,
      { within: 48 * 3_600_000 },
      nights
        .slice(3)
        .map(({ id }) => id)
        .reverse(),
    ],
    ['months', quarters, { monthly: 3 }, ['2025-12-31T23:30', '2025-12-31T22:30', '2025-09-30T22:30']],
    [
      'quarters turn at midnight of the zone',
      quarters,
      { quarterly: 3 },
      ['2025-12-31T23:30', '2025-12-31T22:30', '2025-03-31T22:01'],
    ],
    ['years', quarters, { yearly: 9 }, ['2025-12-31T23:30', '2025-12-31T22:30']],
    ['forever keeps all', quarters, { forever: true }, quarters.map(({ id }) => id).reverse()],
    ['a rule of zero is none', nights, { daily: 0, last: 1 }, ['2026-11-21T02:00']],
  ])('%s', (_name, backups, policy, expected) => {
    expect(kept(backups, policy)).toEqual(expected)
  })

  test('several policies are joined', () => {
    expect(kept(nights, [{ last: 1 }, { weekly: 2 }])).toEqual(['2026-11-21T02:00', '2026-11-15T02:00'])
  })

  test('a backup from the future does not make the others look old', () => {
    const backups = [...nights, ...at('2031-01-01T02:00')]
    const verdicts = retain(backups, { within: 86_400_001 }, { zone, now: new Date('2026-11-21T03:00Z') })
    expect(verdicts.filter(({ keep }) => keep).map(({ id }) => id)).toEqual([
      '2031-01-01T02:00',
      '2026-11-21T02:00',
      '2026-11-20T02:00',
    ])
  })

  test('the floor counts what stays anyway, and brings its parents along', () => {
    expect(kept(nights, { last: 1, atLeast: 3 })).toEqual(kept(nights, { last: 3 }))
    expect(kept(nights, { weekly: 2, atLeast: 2 })).toEqual(kept(nights, { weekly: 2 }))
    const failedParent = [
      candidate({ id: 'base', at: new Date(0), failed: true }),
      candidate({ id: 'second', at: new Date(1), parent: 'base' }),
    ]
    expect(kept([...failedParent, candidate({ id: 'newest', at: new Date(2) })], { last: 1, atLeast: 2 })).toEqual([
      'newest',
      'second',
      'base',
    ])
  })

  test('reasons are given', () => {
    const policy = { last: 2, daily: 2, weekly: 1, quarterly: 1, within: 86_400_000, atLeast: 3 }
    expect(reasonsOf(nights, policy, '2026-11-21T02:00')).toEqual([
      'last 2',
      'daily 2026-11-21',
      'weekly 2026-W47',
      'quarterly 2026-Q4',
      'within 1d',
      'newest verified',
    ])
    expect(reasonsOf(nights, policy, '2026-11-19T14:00')).toEqual(['at least 3'])
    expect(reasonsOf(nights, policy, '2026-11-15T02:00')).toEqual(['no rule keeps it'])
  })

  test.each([{}, { daily: 0 }, { atLeast: 5 }, { forever: false }])('the empty policy %j is refused', policy => {
    expect(() => retain(nights, policy, { zone })).toThrow('the policy is empty')
    expect(() => retain(nights, [{ last: 1 }, policy], { zone })).toThrow('the policy is empty')
  })
})

describe('what no policy takes', () => {
  const [first, second, third] = [new Date('2026-11-19T02:00Z'), new Date('2026-11-20T02:00Z'), new Date('2026-11-21T02:00Z')]
  const one = { last: 1 }

  test('a failed backup satisfies no rule, and stays only until a newer one is verified', () => {
    const failed = [candidate({ id: 'good', at: first }), candidate({ id: 'bad', at: second, failed: true })]
    expect(kept(failed, one)).toEqual(['bad', 'good'])
    expect(reasonsOf(failed, one, 'bad')).toEqual(['failed, but nothing newer is verified'])
    expect(kept([...failed, candidate({ id: 'new', at: third })], { last: 9 })).toEqual(['new', 'good'])
  })

  test.each<[Partial<Candidate>, string]>([
    [{ held: 'before upgrade' }, 'held: before upgrade'],
    [{ inProgress: true, verified: false }, 'in progress'],
    [{ missingIn: ['nas'] }, 'required vault nas lacks it'],
    [{ drilled: second }, 'last drilled'],
  ])('%j', (special, reason) => {
    const backups = [candidate({ id: 'old', at: first, ...special }), candidate({ id: 'new', at: third })]
    expect(reasonsOf(backups, one, 'old')).toEqual([reason])
    expect(kept(backups, one)).toEqual(['new', 'old'])
  })

  test('a chain stays as long as its end does', () => {
    const chain = [
      candidate({ id: 'full', at: first }),
      candidate({ id: 'middle', at: second, parent: 'full' }),
      candidate({ id: 'end', at: third, parent: 'middle' }),
    ]
    expect(kept(chain, one)).toEqual(['end', 'middle', 'full'])
    expect(reasonsOf(chain, one, 'full')).toEqual(['parent of middle'])
  })
})
