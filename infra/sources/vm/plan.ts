/** What a capture will do, before it does anything: what is there, and what is chosen. */
import { join, relative } from 'node:path'
import type { Guest } from '../../tools/guest.ts'
import type { SnapshotWork } from '../source.ts'
import { type Choice, choose } from './choose.ts'
import type { HeldDisk } from './held.ts'
import { refuseInside } from './inside.ts'
import { type Disk, type Look, look } from './look.ts'
import { modes, type Options } from './options.ts'
import { refuseForeignOverlays } from './overlay.ts'
import { type History, readHistory } from './parents.ts'
import { type Note, stageOf } from './stage.ts'

export interface Plan {
  look: Look
  history: History
  choice: Choice
  disks: HeldDisk[]
  /** Bytes that will be written, as far as they are known. */
  expected: number
  /** Bytes that changed since the parent. */
  dirty: number | null
}

/** `zeus_vda.qcow2` */
export function imageName(source: string, target: string, format = 'qcow2'): string {
  return `${source}_${target}.${format}`
}

/** `ran`: it is off because we shut it down for this. */
export async function planCapture(work: SnapshotWork<Options>, guest: Guest, ran = false): Promise<Plan> {
  const found = await look(guest, work.options.excludeDisks)
  refuseForeignOverlays(guest, work.source, found.description.disks)
  const history = await readHistory(work, guest, found)
  const { foreign, candidates } = history
  const choice = choose({
    options: work.options,
    asked: modes.find(mode => mode === work.mode),
    active: found.active || ran,
    uuid: found.description.uuid,
    disks: found.disks,
    foreign,
    snapshots: found.snapshots,
    candidates,
    now: new Date(),
  })
  const changed = new Map(choice.increments.map(target => [target, changedOf(history, choice.parent, target)]))
  const sizes = found.disks.map(({ target, allocated }) => changed.get(target) ?? allocated)
  const expected = choice.method === 'internal' ? 0 : sizes.reduce((sum, bytes) => sum + bytes, 0)
  if (choice.method === 'internal') refuseInside(guest, found, foreign)
  const disks = choice.method === 'internal' ? [] : found.disks.map(disk => heldDisk(work, disk, history, choice))
  return { look: found, history, choice, disks, expected, dirty: choice.parent === null ? null : sumOf([...changed.values()]) }
}

/** The plan as it is noted in the stage. */
export function noteOf({ root, id, options }: SnapshotWork<Options>, guest: Guest, plan: Plan, free: number): Note {
  const { choice, look, history, disks, dirty, expected } = plan
  const { mode, method, why, parent } = choice
  return {
    held: {
      uri: guest.uri,
      domain: guest.domain,
      uuid: look.description.uuid,
      mode,
      method,
      why,
      parent,
      checkpoint: method === 'incremental' || method === 'internal' ? id : null,
      stage: stageOf(root, id),
      disks,
      frozen: null,
      downtime: null,
      dirty,
      ran: look.active,
      autostart: look.autostart,
      before: {
        ...{ expected, free, omitted: look.omitted, checkpoints: history.foreign },
        encrypted: look.disks.filter(({ encrypted }) => encrypted).map(({ target }) => target),
      },
      at: new Date().toISOString(),
    },
    consistency: { asked: mode === 'live' && options.quiesce === 'never' ? 'crash' : 'filesystem', achieved: 'crash' },
    expected,
    tools: look.tools,
    warnings: [],
  }
}

function heldDisk({ root, id, source }: SnapshotWork<Options>, disk: Disk, history: History, choice: Choice): HeldDisk {
  const { target, format, capacity } = disk
  const artifact = imageName(source, target)
  const held = { target, source: disk.source, format, capacity, artifact, staged: join(stageOf(root, id), artifact) }
  const directory = choice.parent === null ? undefined : history.directories.get(choice.parent)
  const image = history.candidates.find(({ id }) => id === choice.parent)?.images.find(image => image.target === target)
  if (!choice.increments.includes(target) || !directory || !image) return held
  return { ...held, parent: relative(root, join(directory, image.artifact)) }
}

function changedOf({ changes }: History, parent: string | null, target: string): number | undefined {
  return parent === null ? undefined : changes.get(parent)?.get(target)
}

function sumOf(all: readonly (number | undefined)[]): number | null {
  return all.every(bytes => bytes !== undefined) ? all.reduce((sum, bytes) => sum + bytes, 0) : null
}
