/**
 * Who has a source right now: one run, or one restore. Taken with compare-and-set in the bucket `run`, kept over all steps
 * until its release (or the restore) has settled. A hold has no time limit; whoever finds one that is over clears it.
 */
import { drillEnds, isDrilled } from './drilling.ts'
import type { EventKind } from './event.ts'
import { events } from './events.ts'
import type { Context } from './function.ts'

/** What whoever looks at holds has to read. */
export const holdEnds = [
  events.snapshot.skipped,
  events.release.done,
  events.release.failed,
  events.restore.done,
  events.restore.failed,
]

export interface Holder {
  source: string
  host: string
  /** The run's backup, or the backup that is being restored. */
  id: string
  /** Set for a restore. */
  request?: string
}

type Bus = Pick<Context<unknown>, 'run' | 'find'>

/** The holder's name where somebody else has the source; undefined once it is ours. */
export async function takeHold(mine: Holder, bus: Bus): Promise<string | undefined> {
  for (;;) {
    if (await bus.run.create(mine.source, nameOf(mine))) return undefined
    const holder = await otherHolder(mine, bus)
    if (holder) return holder
    if ((await bus.run.get(mine.source))?.value === nameOf(mine)) return undefined
  }
}

/** Somebody else's hold that is not over yet. One that is over is cleared on the way. */
export async function otherHolder(mine: Holder, { run, find }: Bus): Promise<string | undefined> {
  const held = await run.get(mine.source)
  if (!held || held.value === nameOf(mine)) return undefined
  const [id = '', request] = held.value.split(' ')
  if (!(await isOver({ ...mine, id, ...(request ? { request } : {}) }, find))) return held.value
  await run.remove(mine.source, held.revision)
  return undefined
}

export async function letGo(mine: Holder, { run }: Pick<Bus, 'run'>): Promise<void> {
  const held = await run.get(mine.source)
  if (held?.value === nameOf(mine)) await run.remove(mine.source, held.revision)
}

async function isOver(holder: Holder, find: Bus['find']): Promise<boolean> {
  const ends: readonly EventKind[] = holder.request
    ? [events.restore.done, events.restore.failed]
    : [events.release.done, events.release.failed, events.snapshot.skipped]
  for (const end of ends) if (await find(end, holder)) return true
  return false
}

function nameOf({ id, request }: Holder): string {
  return request ? `${id} ${request}` : id
}

/** A run that has said nothing for so long is none: the bus it ran on is gone, ms. */
const RUN_LIMIT = 7 * 24 * 3600_000

export interface Work {
  id: string
  source: string
  host: string
  at: string
  /** Verified or failed: past the part of its run that a bus which does not know it could still be at. */
  proven: boolean
}

/** What whoever asks `isAtWork` has to read. */
export const workEnds = [events.export.done, events.report.done, ...drillEnds]

/** Whether a run, a restore or a drill is at work on a backup. */
export async function isAtWork(work: Work, bus: WorkBus): Promise<boolean> {
  return (await isRunning(work, bus)) || (await isDrilled(work, bus))
}

async function isRunning({ at, proven, ...backup }: Work, { run, find }: WorkBus): Promise<boolean> {
  const [held] = (await run.get(backup.source))?.value.split(' ') ?? []
  if (held === backup.id) return true
  if (Date.now() - Date.parse(at) > RUN_LIMIT) return false
  if (proven && !(await find(events.export.done, backup))) return false
  return (await find(events.report.done, backup)) === undefined
}

interface WorkBus extends Pick<Bus, 'find'> {
  run: Pick<Bus['run'], 'get'>
}
