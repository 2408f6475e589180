/** Reads what backups lie below a root, from their own documents alone. */
import { join } from 'node:path'
import type { z } from 'zod'
import { BrokenDocument, parseDocument, readDocument, sha256 } from './documents.ts'
import { codeOf, HoldfastError, messageOf } from './errors.ts'
import type { Host } from './hosts/host.ts'
import {
  COPIES,
  DRILLS,
  directoryName,
  FAILED,
  HOLD,
  MANIFEST,
  parseBackupId,
  sourceOfDirectory,
  unfinished,
  VERIFIED,
} from './layout.ts'
import { Copies, type Copy, Drill, Failed, Hold, Manifest, Verified } from './manifest.ts'

/** A backup as it lies somewhere, with what was learned since. */
export interface Backup {
  manifest: Manifest
  /** SHA-256 of manifest.json as it lies there. */
  digest: string
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

/** The inventory of a root. */
export interface RootInventory extends Inventory {
  /** Directories of backups whose removal was cut off. */
  removing: string[]
}

const dayPattern = /^\d{4}-\d{2}-\d{2}$/

export interface InventoryFilter {
  source?: string
  /** A backup's directory that is not to be looked into. */
  except?: string
}

/** Every backup below `root`. Directories that are nobody's backup are left out, broken ones are named. */
export async function readInventory(host: Host, root: string, { source, except }: InventoryFilter = {}): Promise<RootInventory> {
  const inventory: RootInventory = { backups: [], unreadable: [], removing: [] }
  for (const day of await host.list(root)) {
    if (day.type !== 'directory' || !dayPattern.test(day.name)) continue
    await naming(inventory, join(root, day.name), async directory => {
      const names = (await host.list(directory)).filter(({ type }) => type === 'directory').map(({ name }) => name)
      inventory.removing.push(...names.filter(name => isRemoving(name, source)).map(name => join(directory, name)))
      const backups = names.filter(name => mayBe(name, source)).map(name => join(directory, name))
      await Promise.all(backups.map(path => path !== except && readInto(inventory, host, path)))
    })
  }
  inventory.backups.sort(byAge)
  inventory.unreadable.sort((a, b) => compare(a.directory, b.directory))
  return inventory
}

/** What a root has of a source and knows to be good, oldest first. */
export async function verifiedBackups(host: Host, root: string, source: string): Promise<Backup[]> {
  const { backups } = await readInventory(host, root, { source })
  return backups.filter(({ verified, failed }) => verified && !failed)
}

/** Oldest first; two of one moment in the order of their directories. */
export function byAge(a: Backup, b: Backup): number {
  return compare(a.manifest.at, b.manifest.at) || compare(a.directory, b.directory)
}

/** One backup; undefined where there is no manifest. Throws where a document is not what it should be. */
export async function readBackup(host: Host, directory: string): Promise<Backup | undefined> {
  const there = new Set((await host.list(directory)).map(({ name }) => name))
  const bytes = there.has(MANIFEST) ? await host.readIfThere(join(directory, MANIFEST)) : undefined
  if (!bytes) return undefined
  const manifest = parseDocument(join(directory, MANIFEST), bytes, Manifest)
  const digest = sha256(bytes)
  const learned = async <T>(name: string, schema: z.ZodType<T>) =>
    there.has(name) ? readDocument(host, join(directory, name), schema) : undefined
  const [verified, failed, hold, copies, drills] = await Promise.all([
    learned(VERIFIED, Verified),
    learned(FAILED, Failed),
    learned(HOLD, Hold),
    learned(COPIES, Copies),
    there.has(DRILLS) ? readDrills(host, join(directory, DRILLS)) : [],
  ])
  if (verified && verified.manifest !== digest)
    throw new BrokenDocument(join(directory, MANIFEST), 'it was changed after it was verified')
  return { manifest, digest, directory, verified, failed, hold, copies: copies?.copies ?? [], drills }
}

function mayBe(name: string, source: string | undefined): boolean {
  // A day holds the backups of all sources.
  if (source !== undefined && !name.startsWith(source)) return false
  const found = sourceOfDirectory(name)
  return found !== undefined && (source === undefined || found === source)
}

function isRemoving(name: string, source: string | undefined): boolean {
  const found = unfinished(name)
  return found?.state === 'removing' && mayBe(found.of, source)
}

function readInto(inventory: Inventory, host: Host, path: string): Promise<void> {
  return naming(inventory, path, async directory => {
    const backup = await readBackup(host, directory)
    if (!backup) return
    refuseStranger(backup)
    inventory.backups.push(backup)
  })
}

/** Looks into a directory; one that cannot be read is named, and hides none of the others. */
async function naming(inventory: Inventory, directory: string, look: (directory: string) => Promise<void>): Promise<void> {
  try {
    await look(directory)
  } catch (error) {
    if (!concernsTheFile(error)) throw error
    inventory.unreadable.push({ directory, error: messageOf(error) })
  }
}

/** A manifest that speaks of another backup than the one whose place it lies in was copied there or edited. */
function refuseStranger({ manifest, directory }: Backup): void {
  const { id, source, day } = manifest
  const place = join(day, directoryName(manifest))
  if (!directory.endsWith(`/${place}`))
    throw new BrokenDocument(join(directory, MANIFEST), `it is the manifest of ${id}, which belongs in ${place}`)
  if (parseBackupId(id)?.source !== source) throw new BrokenDocument(join(directory, MANIFEST), `${id} is no backup of ${source}`)
}

const fileCodes = new Set(['EACCES', 'EPERM', 'EIO', 'EISDIR', 'ELOOP', 'EUCLEAN'])

/** A host that cannot be reached says nothing about its backups; one bad sector says nothing about the others. */
function concernsTheFile(error: unknown): boolean {
  return error instanceof HoldfastError && (!error.retryable || fileCodes.has(codeOf(error.cause) ?? ''))
}

async function readDrills(host: Host, directory: string): Promise<Drill[]> {
  const names = (await host.list(directory)).map(({ name }) => name).filter(name => name.endsWith('.json'))
  const drills = await Promise.all(names.map(name => readDocument(host, join(directory, name), Drill)))
  return drills.filter(drill => drill !== undefined)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
