/** What an increment can build on: our verified backups, with their files and their checkpoints. */
import { join } from 'node:path'
import { idPattern } from '../../manifest.ts'
import type { Guest } from '../../tools/guest.ts'
import type { Earlier, SnapshotWork } from '../source.ts'
import { type Changes, changesSince, deleteBitmap, deleteCheckpoints, isOurs } from './checkpoints.ts'
import type { Candidate, Choice } from './choose.ts'
import { Details } from './details.ts'
import type { Look } from './look.ts'

export interface History {
  candidates: Candidate[]
  /** Where each of them lies. */
  directories: ReadonlyMap<string, string>
  /** What changed since the checkpoints that are sound. */
  changes: ReadonlyMap<string, Changes>
  /** Our checkpoints, parents first. */
  ours: string[]
  foreign: string[]
}

interface Settling {
  look: Look
  history: History
  choice: Pick<Choice, 'parent'>
}

/** Looks through the earlier backups and at the checkpoints of those that have one. */
export async function readHistory(work: SnapshotWork<unknown>, guest: Guest, look: Look): Promise<History> {
  const earlier = await work.earlier()
  const ours = look.checkpoints.filter(name => isOurs(name, work.source))
  const foreign = look.checkpoints.filter(name => !isOurs(name, work.source))
  const found = await Promise.all(ours.map(async name => [name, await changesSince(guest, name, look.active)] as const))
  const changes = new Map(found.flatMap(([name, sound]) => (sound ? [[name, sound] as const] : [])))
  const candidates = await Promise.all(earlier.map(backup => candidateOf(work, backup, earlier, changes)))
  return {
    candidates: candidates.filter(candidate => candidate !== undefined),
    directories: new Map(earlier.map(({ manifest, directory }) => [manifest.id, directory])),
    changes,
    ours,
    foreign,
  }
}

/**
 * Deletes our checkpoints that are not the parent's: those that are newer are of backups that failed, those that are older are done
 * with. And our bitmaps that no checkpoint names any more: a QEMU that was killed leaves them.
 */
export async function settle(guest: Guest, source: string, { look, history, choice }: Settling): Promise<void> {
  await deleteCheckpoints(
    guest,
    history.ours.filter(name => name !== choice.parent),
  )
  if (!look.active) return
  for (const { target, bitmaps } of look.disks)
    for (const name of bitmaps.filter(name => isOurs(name, source) && !look.checkpoints.includes(name)))
      await deleteBitmap(guest, target, name)
}

/** Undefined where it is no capture of a domain that this version knows. */
async function candidateOf(
  { host }: SnapshotWork<unknown>,
  backup: Earlier,
  earlier: readonly Earlier[],
  changes: ReadonlyMap<string, Changes>,
): Promise<Candidate | undefined> {
  const { id } = backup.manifest
  const details = Details.safeParse(backup.manifest.details)
  if (!details.success || !idPattern.test(id)) return undefined
  const { uuid, method, images } = details.data
  const changed = changes.get(id)
  // Files are looked at only where an increment could come of it.
  const fullAt = changed && (await isWhole(backup, earlier, path => host.stat(path))) ? rootOf(backup, earlier) : undefined
  return { id, uuid, method, images, fullAt, changed: changed && new Set(changed.keys()) }
}

function chainOf(backup: Earlier, earlier: readonly Earlier[]): Earlier[] | undefined {
  const chain = [backup]
  for (let parent = backup.manifest.parent; parent !== null; ) {
    const found = earlier.find(({ manifest }) => manifest.id === parent)
    if (!found || chain.includes(found)) return undefined
    chain.push(found)
    parent = found.manifest.parent
  }
  return chain
}

function rootOf(backup: Earlier, earlier: readonly Earlier[]): Date | undefined {
  const root = chainOf(backup, earlier)?.at(-1)
  return root && new Date(root.manifest.at)
}

/** Whether every file of the backup and of what it builds on is there, in its size. */
async function isWhole(
  backup: Earlier,
  earlier: readonly Earlier[],
  look: (path: string) => Promise<{ size: number } | undefined>,
): Promise<boolean> {
  const files = (chainOf(backup, earlier) ?? []).flatMap(({ directory, manifest }) =>
    manifest.artifacts.map(({ name, bytes }) => ({ path: join(directory, name), bytes })),
  )
  const there = await Promise.all(files.map(async ({ path, bytes }) => (await look(path))?.size === bytes))
  return there.length > 0 && there.every(Boolean)
}
