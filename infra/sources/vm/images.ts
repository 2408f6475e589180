/** The methods `incremental` and `copy`: one backup job for all disks. */
import { join } from 'node:path'
import { refusedWith } from '../../tools/virsh.ts'
import type { Capture } from './capture.ts'
import { deleteCheckpoints } from './checkpoints.ts'
import type { Collecting } from './collect.ts'
import { abortJob, awaitJob, beginJob, writeJob } from './job.ts'
import type { Releasing } from './release.ts'
import { requireRoom } from './room.ts'

const LOST = /checkpoint inconsistent|missing or broken bitmap/

/** Writes down the job, so that the guest is frozen for no longer than it takes to begin it. */
export async function prepareImages({ guest, held, stage, look }: Capture): Promise<void> {
  const disks = held.disks.map(({ target, staged = join(stage, target), parent }) => ({
    target,
    image: staged,
    since: (parent && held.parent) || undefined,
    followed: look.disks.some(disk => disk.target === target && disk.tracks),
  }))
  await writeJob({ guest, stage, checkpoint: held.checkpoint ?? undefined, disks })
}

/** Begins the job for all disks at once. Where libvirt finds that a bitmap was lost, whole images instead. */
export async function beginImages(capture: Capture): Promise<void> {
  const { work, guest, stage, held, history, look } = capture
  try {
    await beginJob(guest, stage, held.checkpoint !== null)
  } catch (error) {
    if (!held.parent || !refusedWith(error, LOST)) throw error
    capture.warn(`a full backup, not an increment: the checkpoint of ${held.parent} is broken (was QEMU killed?)`)
    // Room was looked for as an increment needs it.
    const bytes = look.disks.reduce((sum, { allocated }) => sum + allocated, 0)
    await requireRoom(work, guest, [{ place: work.root, bytes, why: 'backup' }])
    await deleteCheckpoints(guest, history.ours)
    const disks = held.disks.map(({ parent: _, ...disk }) => disk)
    await capture.remember({ parent: null, dirty: null, disks, why: `${held.why}; full: the checkpoint is broken` })
    await prepareImages(capture)
    await beginJob(guest, stage, true)
  }
}

/** Waits for the job's end; the images lie in the stage then. */
export async function collectImages({ work: { warn }, guest, held, progress }: Collecting): Promise<void> {
  const images = held.disks.flatMap(({ staged }) => staged ?? [])
  if (held.stage) await awaitJob(guest, { stage: held.stage, images, progress, warn })
}

/** Ends the job where it still runs. */
export async function releaseImages({ guest, held }: Releasing): Promise<void> {
  if (held.stage) await abortJob(guest, held.stage)
}
