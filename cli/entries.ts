/** The backups there are, each once, whatever places have it. */

import { messageOf } from '../infra/errors.ts'
import type { Found, Place } from '../infra/find.ts'
import type { Backup } from '../infra/inventory.ts'
import { parseBackupId } from '../infra/layout.ts'
import { namePattern } from '../infra/manifest.ts'

/** Done, done with warnings, failed; or nobody has looked yet. */
export type Outcome = 'done' | 'warnings' | 'failed' | 'unverified'

/** A backup as `list --json` shows it. */
export interface Entry {
  id: string
  source: string
  kind: string
  /** The host's label. */
  host: string
  at: string
  /** In the nearest place. */
  directory: string
  outcome: Outcome
  bytes: number
  verified: boolean
  /** The last drill passed. */
  proven: boolean
  /** Why it is kept out of retention. */
  held: string | null
  parent: string | null
  vaults: string[]
  /** How many. */
  warnings: number
  /** False: it lies inside its own source, and is lost with it. */
  protects: boolean
  /** What was required and is not in it. */
  incomplete: string | null
}

export interface Entries {
  /** Oldest first. */
  entries: Entry[]
  /** Places that cannot be looked into, and what stands there and cannot be read. */
  problems: string[]
}

/** Looks into every place, nearest first. A place that cannot be read hides no other. */
export async function readEntries(places: readonly Place[], source?: string): Promise<Entries> {
  const problems: string[] = []
  const found = new Map<string, Found[]>()
  for (const place of places) {
    for (const backup of await backupsOf(place, source, problems)) {
      const name = `${backup.manifest.host.label}/${backup.manifest.id}`
      found.set(name, [...(found.get(name) ?? []), { place, backup }])
    }
  }
  const entries = [...found.values()].flatMap(([first, ...others]) => (first ? [entryOf(first, others)] : []))
  return { entries: entries.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1)), problems }
}

/**
 * The newest verified backup, one that protects before any other, where the text is the name of a source, so that people need not copy ids; the text itself otherwise.
 * With a label only those of that host.
 */
export async function idOf(text: string, places: readonly Place[], label?: string): Promise<string> {
  if (!namePattern.test(text) || parseBackupId(text)) return text
  const { entries: all } = await readEntries(places, text)
  const entries = label === undefined ? all : all.filter(({ host }) => host === label)
  const verified = entries.filter(entry => entry.verified)
  return (verified.findLast(({ protects }) => protects) ?? verified.at(-1))?.id ?? entries.at(-1)?.id ?? text
}

async function backupsOf(place: Place, source: string | undefined, problems: string[]): Promise<Backup[]> {
  try {
    const { backups, unreadable } = await place.list(source === undefined ? {} : { source })
    problems.push(...unreadable.map(({ error }) => `${place.name}: ${error}`))
    return backups
  } catch (error) {
    problems.push(`${place.name}: ${messageOf(error)}`)
    return []
  }
}

/** The nearest copy's documents; the vaults are those that it remembers and those that have it. */
function entryOf({ place, backup }: Found, others: readonly Found[]): Entry {
  const { manifest, directory, hold, copies, drills } = backup
  const seen = [place, ...others.map(other => other.place)].flatMap(({ vault }) => vault?.name ?? [])
  return {
    id: manifest.id,
    source: manifest.source,
    kind: manifest.kind,
    host: manifest.host.label,
    at: manifest.at,
    directory,
    outcome: outcomeOf(backup),
    bytes: manifest.bytes,
    verified: backup.verified !== undefined && backup.failed === undefined,
    proven: drills.at(-1)?.ok ?? false,
    held: hold?.reason ?? null,
    parent: manifest.parent,
    vaults: [...new Set([...copies.map(({ vault }) => vault), ...seen])],
    warnings: manifest.warnings.count,
    protects: manifest.protects !== false,
    incomplete: manifest.incomplete ?? null,
  }
}

/** A warning is never shown as done, nor is the lack of what was required. */
export function outcomeOf({ manifest, verified, failed }: Backup): Outcome {
  if (failed) return 'failed'
  if (!verified) return 'unverified'
  return manifest.warnings.count > 0 || manifest.incomplete !== undefined ? 'warnings' : 'done'
}
