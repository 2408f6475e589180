import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidate, type Policy, retain } from '../../infra/retention.ts'
import { histories, kept, limits, policies, rules, zone } from './candidates.ts'

describe('for every history and policy', () => {
  const holds = (property: (backups: Candidate[], policy: Policy) => void) =>
    fc.assert(fc.property(histories, policies, property), limits)
  const good = ({ verified, failed }: Candidate) => verified && !failed

  test('what must stay stays', () => {
    holds((backups, policy) => {
      const left = new Set(kept(backups, policy))
      const newestFirst = backups.toSorted((a, b) => b.at.getTime() - a.at.getTime())
      const drills = backups.filter(({ drilled, failed }) => drilled && !failed).map(({ drilled }) => drilled?.getTime() ?? 0)
      const must = backups.filter(
        backup =>
          backup.held !== undefined ||
          backup.inProgress ||
          (!backup.failed && backup.missingIn.length > 0) ||
          backup === newestFirst.find(good) ||
          backups.some(({ id, parent }) => left.has(id) && parent === backup.id),
      )
      expect(must.filter(({ id }) => !left.has(id))).toEqual([])
      const provenKept = backups.some(
        ({ id, drilled, failed }) => left.has(id) && !failed && drilled?.getTime() === Math.max(...drills),
      )
      expect(drills.length === 0 || provenKept).toBe(true)
      const floor = Math.min(policy.atLeast ?? 0, backups.filter(good).length)
      expect(backups.filter(backup => good(backup) && left.has(backup.id)).length).toBeGreaterThanOrEqual(floor)
    })
  })

  test('keeping again what was kept changes nothing', () => {
    holds((backups, policy) => {
      const left = kept(backups, policy)
      expect(
        kept(
          backups.filter(({ id }) => left.includes(id)),
          policy,
        ),
      ).toEqual(left)
    })
  })

  test('the order of the backups does not matter', () => {
    fc.assert(
      fc.property(
        histories.chain(backups => fc.tuple(fc.constant(backups), fc.shuffledSubarray(backups, { minLength: backups.length }))),
        policies,
        ([backups, shuffled], policy) => {
          expect(retain(shuffled, policy, { zone })).toEqual(retain(backups, policy, { zone }))
        },
      ),
      limits,
    )
  })

  test('a rule more, a larger number or a higher floor never takes anything away', () => {
    fc.assert(
      fc.property(histories, rules, rules, fc.nat(9), (backups, policy, more, floor) => {
        const names = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'quarterly', 'yearly', 'within'] as const
        const larger = Object.fromEntries(names.map(name => [name, Math.max(policy[name] ?? 0, more[name] ?? 0)]))
        expect(kept(backups, larger)).toEqual(expect.arrayContaining(kept(backups, policy)))
        expect(kept(backups, { ...policy, atLeast: floor + 1 })).toEqual(
          expect.arrayContaining(kept(backups, { ...policy, atLeast: floor })),
        )
      }),
      limits,
    )
  })

  test('nothing that failed stays without a reason of its own', () => {
    holds((backups, policy) => {
      const newest = Math.max(...backups.filter(good).map(backup => backup.at.getTime()))
      const stale = backups.filter(
        ({ failed, held, inProgress, at }) => failed && held === undefined && !inProgress && at.getTime() < newest,
      )
      const parents = new Set(backups.map(({ parent }) => parent))
      const left = kept(backups, policy)
      expect(stale.filter(({ id }) => left.includes(id) && !parents.has(id))).toEqual([])
    })
  })
})
