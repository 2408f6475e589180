/** Release: the guest runs as before, thawed, without a job of ours; the stage is gone. May run any number of times. */
import { basename, dirname, join } from 'node:path'
import type { Host } from '../../hosts/host.ts'
import { directoryName, MANIFEST, parseBackupId } from '../../layout.ts'
import type { Guest } from '../../tools/guest.ts'
import type { Work } from '../source.ts'
import { deleteCheckpoint } from './checkpoints.ts'
import { thaw } from './freeze.ts'
import type { Held } from './held.ts'
import { releaseImages } from './images.ts'

/** What every way of release gets. */
export interface Releasing {
  guest: Guest
  held: Held
  /** The backup is there: what later backups build on stays. */
  kept: boolean
  warn(message: string): void
}

/** The release verb. A domain that is gone holds nothing. */
export async function release(work: Pick<Work<unknown>, 'host' | 'signal' | 'warn'> & { held: Held }): Promise<void> {
  const { host, held, signal, warn } = work
  const guest: Guest = { host, uri: held.uri, domain: held.domain, signal }
  const releasing: Releasing = { guest, held, kept: await isKept(host, held), warn }
  if (held.stage) await thaw(guest, held.stage)
  await releaseMethod(releasing)
  await releaseMode(releasing)
  if (held.stage) await host.remove(held.stage)
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
    case 'internal':
    case 'convert':
      return
  }
}

/** By mode: a guest that ran runs. */
async function releaseMode({ held }: Releasing): Promise<void> {
  switch (held.mode) {
    case 'live':
    case 'offline':
    case 'snapshot':
      return
  }
}

/** Whether the backup was finished: a checkpoint of one that was not is nobody's parent. */
async function isKept(host: Host, { stage }: Held): Promise<boolean> {
  if (!stage) return false
  const id = basename(stage).replace(/^\.vm-/, '')
  const root = dirname(stage)
  // The day is the plan's: at most one off the id's own.
  const at = parseBackupId(id)?.at.getTime() ?? 0
  const days = [-1, 0, 1].map(offset => new Date(at + offset * 86_400_000).toISOString().slice(0, 10))
  const found = await Promise.all(days.map(day => host.stat(join(root, day, directoryName({ id, day }), MANIFEST))))
  return found.some(Boolean)
}
