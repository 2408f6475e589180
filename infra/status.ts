/** How each source stands: its last good backup, its last one, what runs now and when it is due next. */
import { HoldfastError } from './errors.ts'
import { type Place, rootPlace } from './find.ts'
import { type Backup, byAge } from './inventory.ts'
import type { Manifest } from './manifest.ts'
import { placesOf } from './places.ts'
import { nextSlot } from './schedule.ts'
import type { ProtectedSource, Tools } from './tools.ts'

export interface BackupSummary {
  id: string
  at: string
  directory: string
  bytes: number
  verified: boolean
  /** The last drill passed. */
  proven: boolean
  vaults: string[]
  warnings: number
  /** False: it lies inside its own source, and is lost with it. */
  protects: boolean
  /** What was required and is not in it. */
  incomplete: string | undefined
  consistency: Manifest['consistency']
  /** How it was made, in the words of its kind: rows of a name and a value. */
  made: [name: string, value: string][]
}

export interface SourceStatus {
  source: string
  kind: string
  host: string
  plans: string[]
  /** The newest verified backup on the host that protects; where it has none, the newest verified copy, with the vault that has it. */
  good: BackupSummary | undefined
  /** The newest backup, whatever became of it. */
  last: BackupSummary | undefined
  /** The run or restore that holds the source; undefined where none does or the bus is down. */
  running: string | undefined
  /** ISO 8601 UTC. */
  next: string | undefined
  backups: number
  bytes: number
  /** What lies there and cannot be read. */
  problems: string[]
}

/** Of every source, in the configuration's order. `holderOf` asks the bus. */
export async function statusOf(
  tools: Tools,
  holderOf: (source: string) => Promise<string | undefined> = async () => undefined,
  now: Date = new Date(),
): Promise<SourceStatus[]> {
  const names = Object.keys(tools.configuration.sources)
  return Promise.all(names.map(async name => sourceStatus(tools, tools.source(name), await holderOf(name), now)))
}

async function sourceStatus(
  tools: Tools,
  source: ProtectedSource,
  running: string | undefined,
  now: Date,
): Promise<SourceStatus> {
  const { name, config, host, hostConfig } = source
  const here = await lookInto(rootPlace(host, hostConfig.root, config.host), name)
  const { backups } = here
  const good = summaryOf(tools, newestGood(backups))
  const there = good ? undefined : await inVaults(tools, source)
  const slots = config.plans.flatMap(plan => nextSlot(tools.plan(plan), config.host, now)?.getTime() ?? [])
  return {
    source: name,
    kind: config.kind,
    host: config.host,
    plans: config.plans,
    good: good ?? there?.good,
    last: summaryOf(tools, backups.at(-1)) ?? there?.good,
    running,
    next: slots.length ? new Date(Math.min(...slots)).toISOString() : undefined,
    backups: backups.length,
    bytes: backups.reduce((sum, { manifest }) => sum + manifest.bytes, 0),
    problems: [...here.problems, ...(there?.problems ?? [])],
  }
}

/** Where the host has nothing good, or nothing at all any more, the vaults may. */
async function inVaults(tools: Tools, { name, hostConfig }: ProtectedSource) {
  const vaults = placesOf(tools).filter(({ vault }) => vault)
  const looked = await Promise.all(vaults.map(async place => ({ place, ...(await lookInto(place, name)) })))
  const copies = looked.flatMap(({ place, backups }) => {
    const backup = newestGood(backups.filter(({ manifest }) => manifest.host.label === hostConfig.label))
    return backup ? [{ place, backup }] : []
  })
  const newest = copies.sort((a, b) => byAge(a.backup, b.backup)).at(-1)
  const summary = summaryOf(tools, newest?.backup)
  const good = newest && summary ? { ...summary, vaults: [newest.place.name] } : undefined
  return { good, problems: looked.flatMap(({ problems }) => problems) }
}

/** A place that cannot be looked into is a problem of the source, and hides no other. */
async function lookInto(place: Place, source: string): Promise<{ backups: Backup[]; problems: string[] }> {
  try {
    const { backups, unreadable } = await place.list({ source })
    return { backups, problems: unreadable.map(({ error }) => `${place.name}: ${error}`) }
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    return { backups: [], problems: [`${place.name}: ${error.message}`] }
  }
}

function newestGood(backups: readonly Backup[]): Backup | undefined {
  return backups.findLast(({ verified, failed, manifest }) => verified && !failed && manifest.protects !== false)
}

function summaryOf(tools: Tools, backup: Backup | undefined): BackupSummary | undefined {
  if (!backup) return undefined
  const { manifest, directory, verified, failed, drills, copies } = backup
  return {
    id: manifest.id,
    at: manifest.at,
    directory,
    bytes: manifest.bytes,
    verified: verified !== undefined && failed === undefined,
    proven: drills.at(-1)?.ok ?? false,
    vaults: copies.map(({ vault }) => vault),
    warnings: manifest.warnings.count,
    protects: manifest.protects !== false,
    incomplete: manifest.incomplete,
    consistency: manifest.consistency,
    made: tools.kind(manifest.kind)?.describe?.(manifest) ?? [],
  }
}
