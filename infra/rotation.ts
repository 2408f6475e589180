/** Rotation of one source in every place: the host's own root and each vault, with reasons, for real or as a dry run. */
import { endRemovals, removeBackup } from './backups.ts'
import { childrenFirst } from './chains.ts'
import { messageOf } from './errors.ts'
import { type Backup, readInventory, type Unreadable } from './inventory.ts'
import { vaultsOf } from './places.ts'
import { type Decision, decide, type Rules } from './prune.ts'
import { installationOf } from './tools/owner.ts'
import type { ProtectedSource, Tools } from './tools.ts'

export interface RotationWork {
  tools: Tools
  source: ProtectedSource
  /** Whether a run of this backup has not ended. */
  inProgress(backup: Backup): boolean | Promise<boolean>
}

export interface PlaceRotation {
  /** The host's name or the vault's. */
  place: string
  decisions: Decision[]
  /** Takes one away; it is no backup from the first moment on. */
  remove(backup: Backup): Promise<void>
  /** Ends removals of an earlier rotation that was cut off. */
  sweep(): Promise<void>
  /** What cannot be read there is never removed, but it is said. */
  problems: string[]
}

/** Decides for every place that can be reached; a place that cannot is a problem, not a failure of the others. */
export async function planRotation({
  tools,
  source,
  inProgress,
}: RotationWork): Promise<{ places: PlaceRotation[]; problems: string[] }> {
  const problems: string[] = []
  const places: PlaceRotation[] = []
  const plans = Object.fromEntries(source.config.plans.map(name => [name, tools.plan(name)]))
  const vaults = [...new Set(Object.values(plans).flatMap(plan => plan.vaults))]
  places.push(await planRoot({ tools, source, inProgress }))
  for (const name of vaults) {
    try {
      const { vault, config } = tools.vault(name)
      const unreadable = ({ directory, error }: Unreadable) => void problems.push(`${name}: ${directory}: ${error}`)
      // Another cell may keep a source of this name under its own label.
      const backups = await vault.list({ source: source.name, label: source.hostConfig.label, unreadable })
      const rules = { plans, own: config.keep, missingIn: () => [] }
      const { host, hostConfig } = source
      const installation = () => installationOf(host, hostConfig.root)
      const remove = async (backup: Backup) => vault.remove(backup, await installation())
      const sweep = async () =>
        vault.sweep?.({ source: source.name, label: hostConfig.label, installation: await installation() })
      places.push({ place: name, decisions: await decisions(backups, rules, inProgress), remove, sweep, problems: [] })
    } catch (error) {
      problems.push(`vault ${name}: ${messageOf(error)}`)
    }
  }
  return { places, problems: [...problems, ...places.flatMap(place => place.problems)] }
}

/** The required vaults that have no copy of a backup: those of its plans, or of all where its plans are no more. */
export function missingVaults(tools: Tools, { name }: ProtectedSource, { manifest, copies }: Backup): string[] {
  const lacking = (vault: string) => tools.vault(vault).config.required && !copies.some(copy => copy.vault === vault)
  return vaultsOf(tools, name, manifest.plans).filter(lacking)
}

/** Decides for the host's own root alone. */
export async function planRoot({ tools, source, inProgress }: RotationWork): Promise<PlaceRotation> {
  const plans = Object.fromEntries(source.config.plans.map(name => [name, tools.plan(name)]))
  const rules = { plans, own: undefined, missingIn: (backup: Backup) => missingVaults(tools, source, backup) }
  const { host, hostConfig, name, config } = source
  const { backups, unreadable, removing } = await readInventory(host, hostConfig.root, { source: name })
  const remove = (backup: Backup) => removeBackup(host, backup.directory)
  const sweep = () => endRemovals(host, removing)
  return {
    place: config.host,
    decisions: await decisions(backups, rules, inProgress),
    remove,
    sweep,
    problems: unreadable.map(({ directory, error }) => `${directory}: ${error}`),
  }
}

async function decisions(
  backups: Backup[],
  rules: Omit<Rules, 'inProgress'>,
  inProgress: RotationWork['inProgress'],
): Promise<Decision[]> {
  const busy = new Set<Backup>()
  for (const backup of backups) if (!backup.verified && !backup.failed && (await inProgress(backup))) busy.add(backup)
  for (;;) {
    const decided = decide(backups, { ...rules, inProgress: backup => busy.has(backup) })
    const before = busy.size
    // Verified ones may still be copied or be restored; it is asked of those alone that would go.
    for (const { backup, keep } of decided) if (!keep && (await inProgress(backup))) busy.add(backup)
    if (busy.size === before) return decided
  }
}

/** Removes what the decisions let go. Returns the ids that went and what could not be removed. */
export async function rotate({
  decisions: all,
  remove,
  sweep,
  place,
}: PlaceRotation): Promise<{ removed: string[]; problems: string[] }> {
  const removed: string[] = []
  const problems: string[] = []
  try {
    await sweep()
  } catch (error) {
    problems.push(`${place}: what an earlier prune began to remove is still there: ${messageOf(error)}`)
  }
  // What one that could not be removed builds on stays too.
  const needed = new Set<string>()
  for (const backup of childrenFirst(all.filter(({ keep }) => !keep).map(({ backup }) => backup))) {
    const { id, parent } = backup.manifest
    try {
      if (!needed.has(id)) {
        await remove(backup)
        removed.push(id)
      } else if (parent) needed.add(parent)
    } catch (error) {
      if (parent) needed.add(parent)
      problems.push(`${place}: ${backup.manifest.id} was not removed: ${messageOf(error)}`)
    }
  }
  return { removed, problems }
}
