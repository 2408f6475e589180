/** Reads what backups lie below a root, from their own documents alone. */
import { join } from 'node:path'
import type { z } from 'zod'
import { HoldfastError, messageOf } from './errors.ts'
import type { Host } from './hosts/host.ts'
import { COPIES, FAILED, HOLD, MANIFEST, unfinished, VERIFIED } from './layout.ts'
import { Copies, type Copy, Drill, Failed, Hold, Manifest, Verified } from './manifest.ts'

/** A backup as it lies somewhere, with what was learned since. */
export interface Backup {
  manifest: Manifest
  /** Absolute, on the host it was read from. */
  directory: string
  verified: Verified | undefined
  failed: Failed | undefined
  hold: Hold | undefined
  copies: Copy[]
  /** Newest last. */
  drills: Drill[]
}

/** What stands where a backup could be, and is none. */
export interface Unreadable {
  directory: string
  error: string
}

export interface Inventory {
  /** Oldest first. */
  backups: Backup[]
  unreadable: Unreadable[]
}

const dayPattern = /^\d{4}-\d{2}-\d{2}$/

/** Every backup below `root`. Directories that are nobody's backup are left out, broken ones are named. */
export async function readInventory(host: Host, root: string, { source }: { source?: string } = {}): Promise<Inventory> {
  const inventory: Inventory = { backups: [], unreadable: [] }
  for (const day of await host.list(root)) {
    if (day.type !== 'directory' || !dayPattern.test(day.name)) continue
    const directories = (await host.list(join(root, day.name))).filter(entry => entry.type === 'directory' && mayBe(entry.name, source))
    for (const { name } of directories) await readInto(inventory, host, join(root, day.name, name), source)
  }
  inventory.backups.sort((a, b) => a.manifest.at.localeCompare(b.manifest.at))
  return inventory
}

/** One backup; undefined where there is no manifest. Throws where a document is not what it should be. */
export async function readBackup(host: Host, directory: string): Promise<Backup | undefined> {
  const manifest = await document(host, join(directory, MANIFEST), Manifest)
  if (!manifest) return undefined
  const [verified, failed, hold, copies, drills] = await Promise.all([
    document(host, join(directory, VERIFIED), Verified),
    document(host, join(directory, FAILED), Failed),
    document(host, join(directory, HOLD), Hold),
    document(host, join(directory, COPIES), Copies),
    readDrills(host, directory),
  ])
  return { manifest, directory, verified, failed, hold, copies: copies?.copies ?? [], drills }
}

function mayBe(name: string, source: string | undefined): boolean {
  if (unfinished(name)) return false
  return source ? name.startsWith(`${source}-`) : /-\d{6}Z$/.test(name)
}

async function readInto(inventory: Inventory, host: Host, directory: string, source: string | undefined): Promise<void> {
  try {
    const backup = await readBackup(host, directory)
    if (backup && (!source || backup.manifest.source === source)) inventory.backups.push(backup)
  } catch (error) {
    inventory.unreadable.push({ directory, error: messageOf(error) })
  }
}

async function readDrills(host: Host, directory: string): Promise<Drill[]> {
  const entries = (await host.list(join(directory, 'drills'))).filter(({ name }) => name.endsWith('.json'))
  const drills = await Promise.all(entries.map(({ name }) => document(host, join(directory, 'drills', name), Drill)))
  return drills.filter(drill => drill !== undefined)
}

async function document<T>(host: Host, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const bytes = await host.readIfThere(path)
  if (!bytes) return undefined
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (error) {
    throw new HoldfastError(`${path} is not what Holdfast writes: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: 'Somebody or something changed it. Restore from another copy, and keep this directory until you know why.',
    })
  }
}
