/** Backups as retention sees them. */
import fc from 'fast-check'
import { type Candidate, type Policy, retain } from '../../infra/retention.ts'

/** Verified, and nothing special otherwise. */
export function candidate(given: Partial<Candidate> & { at: Date }): Candidate {
  return {
    id: given.at.toISOString(),
    verified: true,
    failed: false,
    drilled: undefined,
    held: undefined,
    inProgress: false,
    parent: null,
    missingIn: [],
    ...given,
  }
}

/** Where all of them are made. */
export const zone = 'Europe/Zurich'

/** The ids of those that stay, newest first. */
export function kept(backups: readonly Candidate[], policy: Policy | Policy[]): string[] {
  return retain(backups, policy, { zone })
    .filter(({ keep }) => keep)
    .map(({ id }) => id)
}

const hour = 3_600_000
const start = Date.parse('2025-06-01T00:00:00Z')

/** Histories of up to 40 backups over 18 months, with some of everything that can happen to a backup. */
export const histories: fc.Arbitrary<Candidate[]> = fc
  .uniqueArray(fc.oneof(fc.integer({ min: 0, max: 13_000 }), fc.integer({ min: 12_900, max: 13_000 })), { maxLength: 40 })
  .chain(hours => fc.tuple(...hours.sort((a, b) => a - b).map(fate)))
  .map(fates =>
    fates.map(({ at, verdict, drilled, held, inProgress, missing, back }, index) => {
      const parent = back > 0 ? fates[index - back] : undefined
      return candidate({
        id: `b${at}`,
        at: new Date(start + at * hour),
        verified: verdict === 'verified' || verdict === 'both',
        failed: verdict === 'failed' || verdict === 'both',
        drilled: drilled === null ? undefined : new Date(start + (at + drilled) * hour),
        held: held ? 'before upgrade' : undefined,
        inProgress,
        missingIn: missing ? ['nas'] : [],
        parent: parent ? `b${parent.at}` : null,
      })
    }),
  )

function fate(at: number) {
  return fc.record({
    at: fc.constant(at),
    verdict: fc.oneof({ weight: 8, arbitrary: fc.constant('verified') }, fc.constantFrom('failed', 'unverified', 'both')),
    drilled: fc.option(fc.integer({ min: 0, max: 500 }), { freq: 10 }),
    held: rarely,
    inProgress: rarely,
    missing: rarely,
    /** How many places before it its parent lies; 0: none. */
    back: fc.constantFrom(0, 0, 0, 1, 1, 2),
  })
}

const rarely = fc.nat(11).map(dice => dice === 0)

const count = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined, freq: 2 })

/** Policies without a floor, none of them empty. */
export const rules: fc.Arbitrary<Policy> = fc
  .record({
    last: count,
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    quarterly: count,
    yearly: count,
    within: fc.option(
      fc.integer({ min: 1, max: 3_000 }).map(hours => hours * hour),
      { nil: undefined, freq: 2 },
    ),
  })
  .filter(policy => Object.values(policy).some(Boolean))

/** With a floor. Half of them have few other rules, so that the floor matters. */
export const policies: fc.Arbitrary<Policy> = fc
  .tuple(fc.oneof(rules, fc.constant({ last: 1 }), fc.constant({ yearly: 2 })), count)
  .map(([policy, atLeast]) => ({ ...policy, atLeast }))

/** What fails is made smaller for so long; a history has many smaller ones. */
export const limits = { numRuns: 300, interruptAfterTimeLimit: 5_000 }
