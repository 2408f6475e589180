/** Whether there is room for a capture: for the backup below the root, and for what the guest writes into overlays meanwhile. */
import { dirname } from 'node:path'
import { HoldfastError } from '../../errors.ts'
import type { Guest } from '../../tools/guest.ts'
import type { SnapshotWork } from '../source.ts'
import { overlayOf } from './overlay.ts'
import type { Plan } from './plan.ts'
import { stageOf } from './stage.ts'

/** What an overlay is given at least. */
const LEAST = 64 * 1024 * 1024

export interface Need {
  /** It or what lies around it is there. */
  place: string
  bytes: number
  why: 'backup' | 'overlays'
}

/** How far an overlay may grow: a tenth of what the disk holds, 64 MB at least, never more than the whole disk. Pure. */
export function overlayReserve({ allocated, capacity }: { allocated: number; capacity: number }): number {
  return Math.min(capacity, Math.max(LEAST, Math.ceil(allocated / 10)))
}

/** Throws where a file system has less free than will be written to it, before anything is begun. Returns what is free below the root. */
export async function requireSpace(
  work: Pick<SnapshotWork<unknown>, 'host' | 'root' | 'id'>,
  guest: Guest,
  plan: Plan,
): Promise<number> {
  return await requireRoom(work, guest, [{ place: work.root, bytes: plan.expected, why: 'backup' }, ...overlayNeeds(work, plan)])
}

/** The same for what is found to be needed later. */
export async function requireRoom(
  work: Pick<SnapshotWork<unknown>, 'host' | 'root'>,
  guest: Guest,
  needs: readonly Need[],
): Promise<number> {
  const { host, root } = work
  const systems = new Map<string, Need[]>()
  for (const need of needs) {
    const system = needs.length === 1 ? '' : await fileSystemOf(work, need.place)
    systems.set(system, [...(systems.get(system) ?? []), need])
  }
  for (const together of systems.values()) {
    const needed = together.reduce((sum, { bytes }) => sum + bytes, 0)
    const place = together[0]?.place ?? root
    const { free } = await host.space(place)
    if (free < needed) throw tooSmall(guest, together, { place, needed, free })
  }
  return (await host.space(root)).free
}

function overlayNeeds({ root, id }: Pick<SnapshotWork<unknown>, 'root' | 'id'>, { choice, look }: Plan): Need[] {
  if (choice.method !== 'external') return []
  return look.disks.map(disk => {
    const place = disk.type === 'file' ? dirname(overlayOf(disk, id, stageOf(root, id))) : root
    return { place, bytes: overlayReserve(disk), why: 'overlays' }
  })
}

/** The directories of two disks may lie on one file system. */
async function fileSystemOf({ host }: Pick<SnapshotWork<unknown>, 'host'>, place: string): Promise<string> {
  for (let path = place; ; path = dirname(path)) {
    if (!(await host.stat(path)) && path !== dirname(path)) continue
    return (await host.run(['stat', '-L', '-c', '%d', '--', path])).stdout.trim()
  }
}

function tooSmall(
  { domain }: Guest,
  needs: readonly Need[],
  { place, needed, free }: { place: string; needed: number; free: number },
): HoldfastError {
  const overlays = needs.some(({ why }) => why === 'overlays')
  const both = overlays && needs.some(({ why }) => why === 'backup')
  const what = overlays ? ` for ${both ? 'its backup and ' : ''}what it writes while its disks are copied` : ''
  return new HoldfastError(`${domain} needs ${needed} bytes${what}, and ${place} has ${free} free`, {
    hint: overlays
      ? 'Its overlays grow there, and one that cannot stops the guest. Make room there, or configure method: copy, which needs no overlays.'
      : 'Make room there, or keep fewer backups.',
  })
}
