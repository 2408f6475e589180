/** Snapshot: looks, chooses, fixes the moment, and notes what has to be undone before it does anything. */
import { HoldfastError } from '../../errors.ts'
import type { Guest } from '../../tools/guest.ts'
import type { SnapshotWork, Held as SourceHeld, Work } from '../source.ts'
import { keepState } from './domain-state.ts'
import { beginExternal, mergeForgotten } from './external.ts'
import { type Moment, quiesced } from './freeze.ts'
import { type Held, jsonOf } from './held.ts'
import { beginImages, prepareImages } from './images.ts'
import { fixInside } from './inside.ts'
import { runningJob } from './job.ts'
import type { Look } from './look.ts'
import { fixOffline } from './offline.ts'
import type { Options } from './options.ts'
import { type History, settle } from './parents.ts'
import { noteOf, type Plan, planCapture } from './plan.ts'
import { resumed, undoStage } from './resume.ts'
import { requireSpace } from './room.ts'
import { makeStage, type Note, note, noted, otherStages, stageOf } from './stage.ts'

/** What every way of capture gets. */
export interface Capture {
  work: SnapshotWork<Options>
  guest: Guest
  look: Look
  history: History
  stage: string
  /** What release would undo, as it is noted now. */
  readonly held: Held
  /** Notes a change in the stage: before a step that has to be undone, not after it. */
  remember(change: Partial<Held>): Promise<void>
  /** A warning that a second try repeats. */
  warn(message: string): void
}

export function guestOf({ host, source, options, signal }: Work<Options>): Guest {
  return { host, uri: options.uri, domain: options.domain ?? source, signal }
}

/** The snapshot verb. */
export async function capture(work: SnapshotWork<Options>): Promise<SourceHeld> {
  const { host, root, id, source } = work
  const guest = guestOf(work)
  const stage = stageOf(root, id)
  const before = await resumed(work, guest, stage)
  if (before) return before
  for (const other of await otherStages(host, root, source, id)) await undoStage(work, other)
  // Who was killed between a shutdown and a start has noted that the guest ran.
  const { stopped, unmounted, answered } = (await noted(host, stage))?.held ?? {}
  let plan = await planCapture(work, guest, stopped !== undefined)
  if (await mergeForgotten({ work, guest, look: plan.look })) plan = await planCapture(work, guest, stopped !== undefined)
  const [free] = await Promise.all([requireSpace(work, guest, plan), refuseForeignJob(guest, stage)])
  await Promise.all([settle(guest, source, plan), openStage(guest, stage, plan)])
  const begun = noteOf(work, guest, plan, free)
  if (stopped) begun.held = { ...begun.held, ran: true, stopped, unmounted, answered }
  const capture = open(work, guest, begun, { look: plan.look, history: plan.history, stage })
  for (const warning of plan.choice.warnings) capture.warn(warning)
  await capture.remember({})
  await Promise.all([keepRunning(capture), prepareMethod(capture)])
  const { achieved, frozen, downtime = null } = await fix(capture)
  begun.consistency = { ...begun.consistency, achieved }
  await capture.remember({ frozen, downtime })
  return { held: jsonOf(begun.held), consistency: begun.consistency, expected: begun.expected, tools: begun.tools }
}

/** The look that `check` takes. */
export async function inspect(work: SnapshotWork<Options>): Promise<Pick<SourceHeld, 'expected' | 'tools'>> {
  const guest = guestOf(work)
  const plan = await planCapture(work, guest)
  const { expected, look, choice } = plan
  if (choice.method === 'external') await requireSpace(work, guest, plan)
  for (const warning of choice.warnings) work.warn(warning)
  return { expected, tools: look.tools }
}

/** By mode: how the guest is brought into the state that is fixed, and out of it. */
async function fix(capture: Capture): Promise<Moment> {
  switch (capture.held.mode) {
    case 'live':
      return await fixLive(capture)
    case 'offline':
      return await fixOffline(capture)
    case 'snapshot':
      return await fixInside(capture)
  }
}

/** Offline, what the domain has besides its disks is kept once it is off. */
async function keepRunning({ work, guest, stage, held }: Capture): Promise<void> {
  if (held.mode !== 'offline') await keepState(work, guest, stage)
}

/** QEMU's user has to reach it only where QEMU writes there: it does not for copies that we make ourselves. */
async function openStage(guest: Guest, stage: string, { choice, look }: Plan): Promise<void> {
  const writes = choice.method === 'incremental' || choice.method === 'copy'
  const overlays = choice.method === 'external' && look.disks.some(({ type }) => type !== 'file')
  if (writes || overlays) await makeStage(guest, stage)
  else await guest.host.makeDirectory(stage)
}

/** By method: what can be done before the moment is. */
async function prepareMethod(capture: Capture): Promise<void> {
  if (capture.held.method === 'incremental' || capture.held.method === 'copy') await prepareImages(capture)
}

/** A running guest, frozen for the moment where it lets itself be. */
export async function fixLive(capture: Capture): Promise<Moment> {
  const { guest, work, look, stage, warn } = capture
  // One that is on its way off may have ended its agent already.
  const heard = (answers: boolean) => capture.remember({ answered: capture.held.answered || answers })
  const { agent } = look.description
  return await quiesced({ guest, options: work.options, agent, stage, heard, warn }, () => beginMethod(capture))
}

/** By method: how the images of the moment come to be. What it returns to is the moment. */
export async function beginMethod(capture: Capture): Promise<void> {
  capture.held.at = new Date().toISOString()
  switch (capture.held.method) {
    case 'incremental':
    case 'copy':
      return await beginImages(capture)
    case 'external':
      return await beginExternal(capture)
    case 'internal':
    case 'convert':
      // Nothing has to begin: it is there already, or is copied as it lies.
      return
  }
}

async function refuseForeignJob(guest: Guest, stage: string): Promise<void> {
  if (await runningJob(guest, stage))
    throw new HoldfastError(`${guest.domain} has a job that is not ours`, {
      hint: `See what it is: virsh domjobinfo ${guest.domain}. This is tried again; a job that nobody needs ends with virsh domjobabort.`,
    })
}

function open(
  work: SnapshotWork<Options>,
  guest: Guest,
  noted: Note,
  found: Pick<Capture, 'look' | 'history' | 'stage'>,
): Capture {
  return {
    ...found,
    work,
    guest,
    get held() {
      return noted.held
    },
    async remember(change) {
      noted.held = { ...noted.held, ...change }
      await note(work.host, found.stage, noted)
    },
    warn(message) {
      noted.warnings.push(message)
      work.warn(message)
    },
  }
}
