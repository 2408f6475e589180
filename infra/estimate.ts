/** What a policy keeps at most of backups that build on each other: more than it says, since a chain expires as a whole. Pure. */
import type { Backup } from './inventory.ts'
import type { Policy } from './retention.ts'

export interface Most {
  /** Backups, one a night. */
  nights: number
  /** Chains, each with one full backup. */
  chains: number
}

const DAY = 24 * 3600_000
/** Days at most. */
const lengths = { weekly: 7, monthly: 31, quarterly: 92, yearly: 366 }

/** Undefined where nothing ever goes. `fullEvery` in ms: how long increments build on one full backup. */
export function mostNights(policy: Policy, fullEvery: number): Most | undefined {
  if (policy.forever) return undefined
  const nightsOfChain = Math.max(1, Math.ceil(fullEvery / DAY))
  const near = Math.max(
    policy.last ?? 0,
    policy.atLeast ?? 0,
    policy.daily ?? 0,
    policy.hourly ?? 0,
    Math.ceil((policy.within ?? 0) / DAY),
    1,
  )
  // Every night back to the oldest of these, and the rest of the chain that it is part of.
  const nearChains = chainsOver(near, nightsOfChain)
  const rest = (['weekly', 'monthly', 'quarterly', 'yearly'] as const).reduce((sum, period) => {
    const count = policy[period] ?? 0
    // What lies within the nights that are kept anyway is in one of their chains; one period is cut off by the present.
    const far = Math.max(0, count - Math.max(0, Math.floor(near / lengths[period]) - 1))
    return sum + Math.min(far, chainsOver(far * lengths[period], nightsOfChain))
  }, 0)
  const chains = nearChains + rest
  return { chains, nights: near + (nearChains > 0 ? nightsOfChain : 0) + rest * nightsOfChain }
}

/** Chains that so many nights in a row touch at most. */
function chainsOver(nights: number, length: number): number {
  return nights === 0 ? 0 : Math.ceil((nights - 1) / length) + 1
}

/** Bytes that so many take, by the size of what is there; undefined where nothing is known yet. */
export function bytesOf(
  { nights, chains }: Most,
  backups: readonly Pick<Backup, 'manifest'>[],
): { full: number; increment: number; all: number } | undefined {
  const full = backups.findLast(({ manifest }) => manifest.parent === null)?.manifest.bytes
  const increments = backups.filter(({ manifest }) => manifest.parent !== null).slice(-7)
  if (full === undefined) return undefined
  const increment = increments.length
    ? Math.round(increments.reduce((sum, { manifest }) => sum + manifest.bytes, 0) / increments.length)
    : 0
  return { full, increment, all: chains * full + Math.max(0, nights - chains) * increment }
}
