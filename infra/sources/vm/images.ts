/** The methods `incremental` and `copy`: one backup job for all disks. */
import { join } from 'node:path'
import { refusedWith } from '../../tools/virsh.ts'
import type { Capture } from './capture.ts'
import { deleteCheckpoints } from './checkpoints.ts'
import type { Collecting } from './collect.ts'
import { abortJob, awaitJob, beginJob } from './job.ts'
import type { Releasing } from './release.ts'

const LOST = /checkpoint inconsistent|missing or broken bitmap/

/** Begins the job for all disks at once. Where libvirt finds that a bitmap was lost, whole images instead. */
export async function beginImages(capture: Capture): Promise<void> {
  try {
    await begin(capture)
  } catch (error) {
    if (!capture.held.parent || !refusedWith(error, LOST)) throw error
    capture.warn(`a full backup, not an increment: the checkpoint of ${capture.held.parent} is broken (was QEMU killed?)`)
    await deleteCheckpoints(capture.guest, capture.history.ours)
    const disks = capture.held.disks.map(({ parent: _, ...disk }) => disk)
    await capture.remember({ parent: null, dirty: null, disks, why: `${capture.held.why}; full: the checkpoint is broken` })
    await begin(capture)
  }
}

/** Waits for the job's end; the images lie in the stage then. */
export async function collectImages({ guest, held, progress }: Collecting): Promise<void> {
  if (held.stage) await awaitJob(guest, held.stage, progress)
}

/** Ends the job where it still runs. */
export async function releaseImages({ guest, held }: Releasing): Promise<void> {
  if (held.stage) await abortJob(guest, held.stage)
}

async function begin({ guest, held, stage, look }: Capture): Promise<void> {
  const disks = held.disks.map(({ target, staged = join(stage, target), parent }) => ({
    target,
    image: staged,
    since: (parent && held.parent) || undefined,
    followed: look.disks.some(disk => disk.target === target && disk.tracks),
  }))
  await beginJob({ guest, stage, checkpoint: held.checkpoint ?? undefined, disks })
}
