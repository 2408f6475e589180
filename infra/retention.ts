/** Which backups stay: restic's `forget`, extended by quarters, a floor and holds. Pure. */
import { z } from 'zod'
import { Duration, formatDuration } from './duration.ts'
import { InvalidInput } from './errors.ts'
import { type Period, periodOf, periods } from './periods.ts'

const whole = 'expected a whole number from 0 to 100000'
const count = z.int(whole).min(0, whole).max(100_000, whole)

/** Each rule by itself keeps the newest of each period that has one; the results are joined. Numbers count periods that have a backup. */
export const Policy = z
  .strictObject({
    last: count.describe('The newest backups.').optional(),
    hourly: count.describe('The newest of each hour.').optional(),
    daily: count.describe('The newest of each day.').optional(),
    weekly: count.describe('The newest of each ISO week.').optional(),
    monthly: count.describe('The newest of each month.').optional(),
    quarterly: count.describe('The newest of each quarter.').optional(),
    yearly: count.describe('The newest of each year.').optional(),
    /** Milliseconds before the newest backup. */
    within: Duration.describe('Everything as young as this, counted from the newest backup.').optional(),
    forever: z.boolean().describe('Everything.').optional(),
    /** No rule takes the number of verified backups below this. */
    atLeast: count.describe('No rule takes the number of verified backups below this.').optional(),
  })
  .refine(policy => !isEmpty(policy), {
    error: 'keeps nothing; expected a rule such as {daily: 7} or {forever: true}',
    when: ({ issues }) => issues.length === 0,
  })
export type Policy = z.output<typeof Policy>

/** Whether no rule keeps anything. The floor alone is no rule. */
export function isEmpty({ atLeast: _, ...rules }: Record<string, number | boolean | undefined>): boolean {
  return Object.values(rules).every(rule => !rule)
}

/** What retention has to know of a backup. All of them are of one source and lie in one place. */
export interface Candidate {
  id: string
  at: Date
  verified: boolean
  /** Its verification failed, whatever was found before. */
  failed: boolean
  /** When it last passed a drill. */
  drilled: Date | undefined
  /** Why somebody keeps it out of retention. */
  held: string | undefined
  /** A run, a restore or a drill is at work on it. */
  inProgress: boolean
  /** The id of the backup that it builds on. */
  parent: string | null
  /** Required vaults that have no copy of it. */
  missingIn: readonly string[]
}

export interface Verdict {
  id: string
  keep: boolean
  /** Why it stays, or why it may go; never empty. */
  reasons: string[]
}

/**
 * A verdict for every backup, newest first. Several policies, such as those of a source's plans, are joined: what one of them keeps
 * stays. Only verified backups satisfy rules. Whatever the policy, these stay: the newest verified, the last drilled, what is held
 * or in progress, what a required vault lacks, what a kept one builds on, what is verified below `atLeast`, and what is not
 * verified as long as nothing newer is. `now` keeps backups from the future from counting as the newest for `within`. Throws
 * `InvalidInput` where a policy is empty.
 */
export function retain(
  backups: readonly Candidate[],
  policy: Policy | readonly Policy[],
  { zone, now }: { zone: string; now?: Date },
): Verdict[] {
  const policies = [policy].flat()
  if (policies.length === 0 || policies.some(isEmpty)) {
    throw new InvalidInput('retention: the policy is empty, so everything would go', {
      hint: 'Say what to keep, such as keep: {daily: 7} or keep: {forever: true}.',
    })
  }
  const all = backups.toSorted((a, b) => b.at.getTime() - a.at.getTime() || b.id.localeCompare(a.id))
  const good = all.filter(isGood)
  const kept = new Map<string, Set<string>>()
  const keep = (reasons: readonly Reason[]) => {
    for (const { id, reason } of reasons) kept.set(id, new Set([...(kept.get(id) ?? []), reason]))
  }
  keep(policies.flatMap(one => ruleReasons(good, one, zone, now)))
  keep(all.flatMap(backup => ownReasons(backup).map(reason => ({ id: backup.id, reason }))))
  keep(newestReasons(all, good))
  keep(parentReasons(all, kept))
  const floor = Math.max(...policies.map(({ atLeast = 0 }) => atLeast))
  const missing = floor - good.filter(({ id }) => kept.has(id)).length
  keep(
    good
      .filter(({ id }) => !kept.has(id))
      .slice(0, Math.max(missing, 0))
      .map(({ id }) => ({ id, reason: `at least ${floor}` })),
  )
  keep(parentReasons(all, kept))
  return all.map(backup => ({ id: backup.id, keep: kept.has(backup.id), reasons: [...(kept.get(backup.id) ?? [goes(backup)])] }))
}

interface Reason {
  id: string
  reason: string
}

function isGood({ verified, failed }: Candidate): boolean {
  return verified && !failed
}

/** What the rules of one policy keep of verified backups, newest first. */
function ruleReasons(good: readonly Candidate[], policy: Policy, zone: string, now = good[0]?.at): Reason[] {
  // A clock that once ran ahead must not make everything else look old.
  const newest = good.find(({ at }) => now && at <= now)?.at.getTime() ?? 0
  const { last = 0, within = 0, forever = false } = policy
  return [
    ...good.slice(0, last).map(({ id }) => ({ id, reason: `last ${last}` })),
    ...periods.flatMap(period => newestOfEach(good, period, policy[period] ?? 0, zone)),
    ...good
      .filter(({ at }) => at.getTime() > newest - within)
      .map(({ id }) => ({ id, reason: `within ${formatDuration(within)}` })),
    ...(forever ? good : []).map(({ id }) => ({ id, reason: 'forever' })),
  ]
}

function newestOfEach(good: readonly Candidate[], period: Period, count: number, zone: string): Reason[] {
  const seen = new Map<string, string>()
  for (const { id, at } of count > 0 ? good : []) {
    const name = periodOf(period, at, zone)
    if (!seen.has(name)) seen.set(name, id)
    if (seen.size === count) break
  }
  return [...seen].map(([name, id]) => ({ id, reason: `${period} ${name}` }))
}

/** What keeps a backup by itself. A failed one is no copy worth waiting for. */
function ownReasons({ held, inProgress, failed, missingIn }: Candidate): string[] {
  return [
    ...(held === undefined ? [] : [`held: ${held}`]),
    ...(inProgress ? ['in progress'] : []),
    ...(failed ? [] : missingIn.map(vault => `required vault ${vault} lacks it`)),
  ]
}

function newestReasons(all: readonly Candidate[], good: readonly Candidate[]): Reason[] {
  const [newest] = good
  const proven = all.filter(({ drilled, failed }) => drilled && !failed)
  const last = proven.reduce<Candidate | undefined>((a, b) => ((a?.drilled ?? 0) >= (b.drilled ?? 0) ? a : b), undefined)
  const newer = newest ? all.slice(0, all.indexOf(newest)) : all
  return [
    ...(newest ? [{ id: newest.id, reason: 'newest verified' }] : []),
    ...(last ? [{ id: last.id, reason: 'last drilled' }] : []),
    ...newer.map(({ id, failed }) => ({
      id,
      reason: `${failed ? 'failed' : 'not verified yet'}, but nothing newer is verified`,
    })),
  ]
}

/** Every backup that a kept one builds on, however far down. */
function parentReasons(all: readonly Candidate[], kept: ReadonlyMap<string, unknown>): Reason[] {
  const byId = new Map(all.map(backup => [backup.id, backup]))
  const reasons = new Map<string, Reason>()
  const waiting = all.filter(({ id }) => kept.has(id))
  for (const { id, parent } of waiting) {
    const base = parent === null ? undefined : byId.get(parent)
    if (!base || reasons.has(base.id)) continue
    reasons.set(base.id, { id: base.id, reason: `parent of ${id}` })
    waiting.push(base)
  }
  return [...reasons.values()]
}

function goes({ verified, failed }: Candidate): string {
  if (failed) return 'failed, and a newer one is verified'
  return verified ? 'no rule keeps it' : 'not verified, and a newer one is'
}
