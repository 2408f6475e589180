/** Decides and does what retention asks in one place: a host's root or a vault. */
import { keepChains } from './chains.ts'
import type { PlanConfig } from './config.ts'
import type { Backup } from './inventory.ts'
import { type Candidate, type Policy, retain } from './retention.ts'

export interface Rules {
  /** The plans in force, by name. A backup belongs to those of its plans that still exist; to all, where none does. */
  plans: Record<string, Pick<PlanConfig, 'keep' | 'zone'>>
  /** The place's own policy, which takes the plans' place. */
  own: Policy | undefined
  /** Whether a run of this backup has not ended. */
  inProgress(backup: Backup): boolean
  /** Required vaults that have no copy of it. */
  missingIn(backup: Backup): string[]
}

export interface Decision {
  backup: Backup
  keep: boolean
  reasons: string[]
}

/** Each plan decides over its own backups; what one of them keeps stays, and so does the chain that a kept one is part of. */
export function decide(backups: readonly Backup[], rules: Rules, now: Date = new Date()): Decision[] {
  const reasons = new Map<string, string[]>(backups.map(({ manifest }) => [manifest.id, []]))
  for (const { name, policy, zone, mine } of policies(backups, rules)) {
    const decisions = groups(mine).flatMap(group =>
      retain(
        group.map(backup => candidate(backup, rules)),
        policy,
        { zone, now },
      ),
    )
    for (const decision of decisions) {
      if (decision.keep) reasons.get(decision.id)?.push(...decision.reasons.map(reason => (name ? `${name}: ${reason}` : reason)))
    }
  }
  keepChains(backups, reasons)
  return backups.map(backup => {
    const why = [...new Set(reasons.get(backup.manifest.id) ?? [])]
    return { backup, keep: why.length > 0, reasons: why.length ? why : ['no rule keeps it'] }
  })
}

/** What does not protect is decided by itself: it never takes the place of a backup that does. */
function groups(backups: readonly Backup[]): Backup[][] {
  const protecting = (backup: Backup) => backup.manifest.protects !== false
  return [backups.filter(protecting), backups.filter(backup => !protecting(backup))]
}

interface PlanPolicy {
  name: string | undefined
  policy: Policy
  zone: string
  mine: Backup[]
}

function policies(backups: readonly Backup[], { plans, own }: Rules): PlanPolicy[] {
  const entries = Object.entries(plans)
  if (own) return [{ name: undefined, policy: own, zone: entries[0]?.[1].zone ?? 'UTC', mine: [...backups] }]
  const known = (backup: Backup) => backup.manifest.plans.filter(plan => plan in plans)
  return entries.map(([name, { keep, zone }]) => ({
    name: entries.length > 1 ? name : undefined,
    policy: keep,
    zone,
    mine: backups.filter(backup => known(backup).length === 0 || known(backup).includes(name)),
  }))
}

function candidate(backup: Backup, { inProgress, missingIn }: Rules): Candidate {
  const { manifest, verified, failed, hold, drills } = backup
  return {
    id: manifest.id,
    at: new Date(manifest.at),
    verified: verified !== undefined && failed === undefined,
    failed: failed !== undefined,
    drilled: lastPassed(drills),
    held: hold?.reason,
    inProgress: inProgress(backup),
    parent: manifest.parent,
    missingIn: missingIn(backup),
  }
}

function lastPassed(drills: Backup['drills']): Date | undefined {
  const passed = drills.findLast(({ ok }) => ok)
  return passed && new Date(passed.at)
}
