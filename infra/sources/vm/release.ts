/** Release: the guest runs as before, thawed, without a job of ours; the stage is gone. May run any number of times. */
import { dirname } from 'node:path'
import type { Guest } from '../../tools/guest.ts'
import type { Work } from '../source.ts'
import { deleteCheckpoint } from './checkpoints.ts'
import { releaseOverlays } from './external.ts'
import { thaw } from './freeze.ts'
import type { Held } from './held.ts'
import { releaseImages } from './images.ts'
import { removeInside } from './inside.ts'
import { isKept } from './kept.ts'
import { startAgain } from './offline.ts'
import { idOfStage } from './stage.ts'

/** What every way of release gets. */
export interface Releasing {
  guest: Guest
  held: Held
  /** The backup's. */
  id: string
  signal: AbortSignal
  /** The backup is there: what later backups build on stays. */
  kept: boolean
  warn(message: string): void
}

/** The release verb. A domain that is gone holds nothing. */
export async function release(work: Undoing & { held: Held }): Promise<void> {
  const { held, host } = work
  await undo(work)
  if (held.stopped) await startAgain({ ...held, host, signal: work.signal }, held.stopped)
  if (held.stage) await host.remove(held.stage)
}

type Undoing = Pick<Work<unknown>, 'host' | 'signal' | 'warn'>

/** The same, but a guest that was shut down stays as it is, and so does the stage: for another try. */
export async function undo({ host, held, signal, warn }: Undoing & { held: Held }): Promise<void> {
  const guest: Guest = { host, uri: held.uri, domain: held.domain, signal }
  const id = held.stage ? idOfStage(held.stage) : ''
  const kept = held.stage !== null && (await isKept(host, dirname(held.stage), id))
  if (held.stage) await thaw(guest, held.stage)
  await releaseMethod({ guest, held, id, kept, signal, warn })
}

/** By method: nothing of the capture goes on. */
async function releaseMethod(releasing: Releasing): Promise<void> {
  const { guest, held, kept } = releasing
  switch (held.method) {
    case 'incremental':
    case 'copy':
      await releaseImages(releasing)
      if (!kept && held.checkpoint) await deleteCheckpoint(guest, held.checkpoint)
      return
    case 'external':
      return await releaseOverlays(guest, releasing.id, { ...releasing, disks: held.disks })
    case 'internal':
      if (!kept) await removeInside(guest, releasing.id)
      return
    case 'convert':
      return
  }
}
