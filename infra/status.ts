/** How each source stands: its last good backup, its last one, what runs now and when it is due next. */
import type { Backup } from './inventory.ts'
import { readInventory } from './inventory.ts'
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
}

export interface SourceStatus {
  source: string
  kind: string
  host: string
  plans: string[]
  /** The newest verified backup on the host. */
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
  const { backups, unreadable } = await readInventory(host, hostConfig.root, { source: name })
  const slots = config.plans.flatMap(plan => nextSlot(tools.plan(plan), config.host, now)?.getTime() ?? [])
  return {
    source: name,
    kind: config.kind,
    host: config.host,
    plans: config.plans,
    good: summaryOf(backups.findLast(({ verified, failed }) => verified && !failed)),
    last: summaryOf(backups.at(-1)),
    running,
    next: slots.length ? new Date(Math.min(...slots)).toISOString() : undefined,
    backups: backups.length,
    bytes: backups.reduce((sum, { manifest }) => sum + manifest.bytes, 0),
    problems: unreadable.map(({ directory, error }) => `${directory}: ${error}`),
  }
}

function summaryOf(backup: Backup | undefined): BackupSummary | undefined {
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
  }
}
