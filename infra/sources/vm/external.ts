/** Captures a running guest by letting it write to overlays while its disks are copied. */
import { basename } from 'node:path'
import { HoldfastError, InvalidInput } from '../../errors.ts'
import { ask, type Guest } from '../../tools/guest.ts'
import { imageInfo } from '../../tools/qemu-img.ts'
import { refusedWith } from '../../tools/virsh.ts'
import type { Capture } from './capture.ts'
import { isOurs } from './checkpoints.ts'
import { type CommitWork, commitOverlays } from './commit.ts'
import { type CopyWork, copyDisks } from './copying.ts'
import type { HeldDisk } from './held.ts'
import { isOverlayOf, overlayId, overlayOf, standings } from './overlay.ts'

/** Merges overlays of the source's other backups, whose stage is gone or lies below another root. Says whether there were any. */
export async function mergeForgotten({ guest, work, look }: Pick<Capture, 'guest' | 'work' | 'look'>): Promise<boolean> {
  const ids = look.disks.flatMap(({ source }) => overlayId(source) ?? [])
  const ours = [...new Set(ids)].filter(id => id !== work.id && isOurs(id, work.source))
  for (const id of ours) await releaseOverlays(guest, id, { ...work, disks: [] })
  return ours.length > 0
}

/** How long release waits for one disk, ms. What is not merged then goes on by itself, and release tries again. */
const MERGE_LIMIT = 10 * 60_000

/** Begins it for a capture. */
export async function beginExternal(capture: Capture): Promise<void> {
  const { guest, work, look, stage, held } = capture
  const disks = held.disks.map(disk => {
    const type = look.disks.find(({ target }) => target === disk.target)?.type ?? 'file'
    return { ...disk, overlay: overlayOf({ ...disk, type }, work.id, stage) }
  })
  await capture.remember({ disks })
  await beginOverlays(guest, work.id, disks)
}

/** Lets the guest write to overlays from now on, all disks in one moment. What an earlier try began has to be released before. */
export async function beginOverlays(guest: Guest, id: string, disks: readonly HeldDisk[]): Promise<void> {
  const mine = disks.flatMap(({ target, overlay }) =>
    overlay === undefined
      ? []
      : [{ target, spec: `${target},snapshot=external,driver=qcow2,file=${overlay.replaceAll(',', ',,')}` }],
  )
  const others = (await targetsOf(guest)).filter(target => !mine.some(disk => disk.target === target))
  const specs = [...mine.map(({ spec }) => spec), ...others.map(target => `${target},snapshot=no`)]
  const flags = ['--disk-only', '--atomic', '--no-metadata', `--name=${id}`]
  await ask(guest, 'snapshot-create-as', ...flags, ...specs.flatMap(spec => ['--diskspec', spec]))
}

/** Of everything that looks like a disk, drives too: libvirt would make overlays for those that are not named. */
async function targetsOf(guest: Guest): Promise<string[]> {
  const lines = (await ask(guest, 'domblklist')).split('\n')
  return lines.flatMap(line => /^\s*(\S+)/.exec(line)?.[1] ?? [])
}

/** Copies what lies below the overlays. */
export async function collectOverlays(guest: Guest, id: string, disks: readonly HeldDisk[], work: CopyWork): Promise<void> {
  await requireOverlays(guest, id, disks)
  await copyDisks(work, disks)
  // Who merged an overlay meanwhile has written into what was copied.
  await requireOverlays(guest, id, disks)
}

async function requireOverlays(guest: Guest, id: string, disks: readonly HeldDisk[]): Promise<void> {
  const found = await standings(guest)
  for (const { target, overlay } of disks) {
    if (overlay !== undefined && found.length && found.every(({ sources }) => sources.get(target) === overlay)) continue
    throw new HoldfastError(
      `${guest.domain} no longer writes ${target} to the overlay of ${id}: its disk may have changed while it was copied`,
      {
        retryable: false,
        hint: 'Somebody merged it, or put another disk in its place. Ask for the backup again.',
      },
    )
  }
}

export interface OverlayRelease extends Omit<CommitWork, 'limit'> {
  /** The disks as far as they are known: release knows them, abandon may not. */
  disks: readonly HeldDisk[]
  /** Milliseconds for each disk. */
  limit?: number
}

/**
 * Merges this backup's overlays into the disks and removes them. Waits for a guest that writes, but not for ever; a second call goes
 * on. Nothing is removed that any disk still needs.
 */
export async function releaseOverlays(
  guest: Guest,
  id: string,
  { disks, limit = MERGE_LIMIT, ...work }: OverlayRelease,
): Promise<void> {
  const before = await standings(guest).catch((error: unknown) => whereGone(error, guest, disks))
  if (!before) return
  await commitOverlays(guest, id, { ...work, limit })
  const after = await standings(guest)
  const seen = before.flatMap(({ sources }) => [...sources.values()]).filter(path => isOverlayOf(path, id))
  const files = after.flatMap(({ sources }) =>
    [...sources].map(([target, source]) => overlayOf({ target, source, type: 'file' }, id, '/')),
  )
  const known = disks.flatMap(({ overlay }) => overlay ?? [])
  for (const path of new Set([...seen, ...known, ...files]))
    if (await guest.host.stat(path)) await removeOverlay(guest, path, new Set(after.flatMap(({ needed }) => [...needed])), work)
}

/** A domain that is gone needs nothing more; what it wrote last is not ours to throw away. */
async function whereGone(error: unknown, { host, domain }: Guest, disks: readonly HeldDisk[]): Promise<undefined> {
  if (!refusedWith(error, /failed to get domain|Domain not found/)) throw error
  for (const { overlay } of disks) {
    if (overlay === undefined || !(await host.stat(overlay))) continue
    throw new InvalidInput(`${domain} is gone, but ${overlay} holds what it wrote last`, {
      hint: `Merge it into its disk (qemu-img commit ${overlay}), or remove it if nobody needs it.`,
    })
  }
}

async function removeOverlay(
  guest: Guest,
  path: string,
  needed: ReadonlySet<string>,
  { warn }: Omit<CommitWork, 'limit'>,
): Promise<void> {
  if (needed.has(path))
    throw new InvalidInput(`${guest.domain} still needs ${path}, which lies below another snapshot of it`, {
      hint: `Merge that snapshot first (virsh blockcommit ${guest.domain} DISK --active --shallow --pivot); nothing was deleted.`,
    })
  const { snapshots } = await imageInfo(guest.host, path, { shared: true })
  if (snapshots.length === 0) await guest.host.remove(path)
  else warn(`${basename(path)} is merged, and kept: somebody made snapshots in it meanwhile (${snapshots.join(', ')})`)
}
