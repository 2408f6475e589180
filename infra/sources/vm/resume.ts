/** A snapshot that is tried again: what the first try began is found and used, or undone. */
import type { Host } from '../../hosts/host.ts'
import type { Guest } from '../../tools/guest.ts'
import type { SnapshotWork, Held as SourceHeld, Work } from '../source.ts'
import { thaw } from './freeze.ts'
import { jsonOf } from './held.ts'
import { endedWell, runningJob } from './job.ts'
import { startAgain } from './offline.ts'
import { release, undo } from './release.ts'
import { type Note, note, noted } from './stage.ts'

/** What an earlier try fixed; undefined where there was none, or where what it left is undone now. */
export async function resumed(work: SnapshotWork<unknown>, guest: Guest, stage: string): Promise<SourceHeld | undefined> {
  const found = await noted(work.host, stage)
  if (!found || !(await isFixed(guest, found, stage))) {
    // A guest that was shut down for this need not boot in between.
    if (found?.held.stopped) await undo({ ...work, held: found.held })
    else await undoStage(work, stage)
    return undefined
  }
  const off = found.held.stopped !== undefined && found.held.mode === 'offline'
  if (off) await letRun(guest, found, stage)
  const thawed = await thaw(guest, stage)
  for (const warning of found.warnings) work.warn(warning)
  const { held, consistency, expected, tools } = found
  // It was killed before it had noted what came of the freeze: frozen until now says that it held.
  return {
    held: jsonOf(held),
    expected,
    tools,
    consistency: thawed > 0 || (off && held.unmounted) ? { ...consistency, achieved: 'filesystem' } : consistency,
  }
}

/** Its moment is fixed, and what it did while it was off is known: nothing. */
async function letRun(guest: Guest, found: Note, stage: string): Promise<void> {
  await startAgain(guest, undefined)
  delete found.held.stopped
  await note(guest.host, stage, found)
}

/** Lets go of what the stage notes, and removes it. */
export async function undoStage(
  { host, signal, warn }: Pick<Work<unknown>, 'signal' | 'warn'> & { host: Host },
  stage: string,
): Promise<void> {
  const found = await noted(host, stage)
  if (found) await release({ host, signal, warn, held: found.held })
  await host.remove(stage)
}

/** Whether the moment was fixed, and its images are or will be whole. */
async function isFixed(guest: Guest, { held }: Note, stage: string): Promise<boolean> {
  if (held.method !== 'incremental' && held.method !== 'copy') return false
  if ((await runningJob(guest, stage))?.whose === 'ours') return true
  return await endedWell(
    guest,
    held.disks.flatMap(({ staged }) => staged ?? []),
  )
}
