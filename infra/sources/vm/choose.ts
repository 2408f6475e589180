/** Decides how a domain is captured. Pure: what is known goes in, a decision with its reasons comes out. */
import { InvalidInput } from '../../errors.ts'
import type { Image } from './details.ts'
import type { Held } from './held.ts'
import type { Options } from './options.ts'

export interface KnownDisk {
  target: string
  source: string
  format: string
  capacity: number
  /** It can hold the bitmaps that increments need. */
  tracks: boolean
  encrypted: boolean
}

/** A verified backup of the source that increments may build on. */
export interface Candidate {
  id: string
  /** When the full backup at the root of its chain was taken; undefined where the chain is not whole. */
  fullAt: Date | undefined
  uuid: string
  method: string
  images: readonly Image[]
  /** The disks whose changes since are known. Undefined: its checkpoint is gone or broken. */
  changed: ReadonlySet<string> | undefined
}

export interface Situation {
  options: Pick<Options, 'mode' | 'method' | 'fullEvery'>
  /** What the tick asks for. */
  asked: Options['mode'] | undefined
  active: boolean
  uuid: string
  disks: readonly KnownDisk[]
  /** Checkpoints that are not ours. */
  foreign: readonly string[]
  /** All that are inside its disks, ours too. */
  snapshots: readonly string[]
  /** Oldest first. */
  candidates: readonly Candidate[]
  now: Date
}

export interface Choice {
  mode: Held['mode']
  method: Held['method']
  why: string
  parent: string | null
  /** Targets that are captured since the parent; all others whole. */
  increments: string[]
  /** Something a person did not ask for: worth a warning. */
  warnings: string[]
}

/** Fails where what was asked for cannot be done. */
export function choose(situation: Situation): Choice {
  const mode = modeOf(situation)
  if (mode.mode === 'snapshot') return { ...mode, method: 'internal', parent: null, increments: [], warnings: [] }
  if (mode.mode === 'offline' && !situation.active) {
    refuseEncrypted(situation.disks, 'it is off, and without its QEMU')
    return { ...mode, method: 'convert', why: `${mode.why}, and stays off`, parent: null, increments: [], warnings: [] }
  }
  const method = methodOf(situation)
  if (method.method === 'external') refuseEncrypted(situation.disks, 'with method: external')
  const why = `${mode.why}; ${method.why}`
  const warnings = [...method.warnings, ...openlyWritten(situation.disks)]
  const whole = { mode: mode.mode, method: method.method, why, parent: null, increments: [], warnings }
  return method.method === 'incremental' ? onParent(situation, whole) : whole
}

function modeOf({ options, asked, active }: Situation): Pick<Choice, 'mode' | 'why'> {
  const wanted = asked ?? options.mode
  const by = asked ? 'asked for' : 'configured'
  if (wanted === 'auto') return active ? { mode: 'live', why: 'it runs' } : { mode: 'offline', why: 'it is off' }
  if (wanted === 'live' && !active) return { mode: 'offline', why: `live is ${by}, but it is off` }
  return { mode: wanted, why: `${wanted} is ${by}` }
}

function methodOf({ options, disks, foreign, snapshots }: Situation): Pick<Choice, 'method' | 'why' | 'warnings'> {
  const { method } = options
  const able = disks.some(({ tracks }) => tracks)
  const untracked = disks.filter(({ tracks }) => !tracks).map(({ target, format }) => `${target} (${format})`)
  if (method === 'copy' || method === 'external') return { method, why: `${method} is configured`, warnings: [] }
  if (!able && method === 'incremental')
    throw new InvalidInput(`none of its disks can be captured incrementally: ${untracked.join(', ')}`, {
      hint: 'Increments need qcow2 version 3 (qemu-img convert, or qemu-img amend -o compat=1.1). Or configure method: copy.',
    })
  if (!able) return { method: 'copy', why: 'no disk is qcow2 version 3', warnings: [] }
  if (foreign.length) {
    // They would become parents of ours, and ours could not be deleted without changing them.
    const why = `it has checkpoints that are not ours (${foreign.join(', ')})`
    const advice = 'if nobody needs them, virsh checkpoint-delete lets increments begin'
    return { method: 'copy', why, warnings: [`every disk is copied whole: ${why}; ${advice}`] }
  }
  if (snapshots.length) {
    // Going back to one changes the disks, and no bitmap knows of it; newer libvirt forbids it for that.
    const why = `it has snapshots (${snapshots.join(', ')}), and after going back to one nobody knows what changed`
    return { method: 'copy', why, warnings: [`every disk is copied whole: ${why}; virsh snapshot-delete lets increments begin`] }
  }
  const whole = untracked.length ? `; ${untracked.join(', ')} whole each time` : ''
  return {
    method: 'incremental',
    why: `${method === 'auto' ? 'its disks allow' : 'configured:'} increments${whole}`,
    warnings: [],
  }
}

/** QEMU reads through its encryption, and writes what it reads. */
function openlyWritten(disks: readonly KnownDisk[]): string[] {
  return targetsOfEncrypted(disks).map(target => `${target} is encrypted, and its image in the backup is not`)
}

/** Throws where closed disks would be copied that only a QEMU which has their secret can read. */
export function refuseEncrypted(disks: readonly Pick<KnownDisk, 'target' | 'encrypted'>[], when: string): void {
  const targets = targetsOfEncrypted(disks)
  if (!targets.length) return
  throw new InvalidInput(`${targets.join(', ')} of it: encrypted, and ${when} nobody can read that`, {
    hint: `While it runs, with method: auto or copy, QEMU reads it. Or leave it out: excludeDisks: [${targets.join(', ')}]`,
  })
}

function targetsOfEncrypted(disks: readonly Pick<KnownDisk, 'target' | 'encrypted'>[]): string[] {
  return disks.filter(({ encrypted }) => encrypted).map(({ target }) => target)
}

/** The newest backup that an increment can build on, and the disks for which it can. */
function onParent({ candidates, uuid, disks, options, now }: Situation, whole: Choice): Choice {
  const newest = candidates.findLast(({ method }) => method === 'incremental')
  if (!newest) return { ...whole, why: `${whole.why}; full: the first of its chain` }
  const full = (why: string): Choice => ({ ...whole, why: `${whole.why}; full: ${why}` })
  const demoted = (why: string): Choice => ({
    ...full(why),
    warnings: [...whole.warnings, `a full backup, not an increment: ${why}`],
  })
  if (newest.uuid !== uuid) return demoted(`it is another domain than the one in ${newest.id}`)
  const usable = candidates.filter(candidate => candidate.uuid === uuid && candidate.method === 'incremental')
  const parent = usable.findLast(({ changed, fullAt }) => changed && fullAt)
  if (!parent) return demoted(reasonAgainst(newest))
  if (parent.fullAt && now.getTime() - parent.fullAt.getTime() >= options.fullEvery)
    return full(`the last full is of ${parent.fullAt.toISOString()}`)
  const reasons = disks.filter(({ tracks }) => tracks).map(disk => ({ target: disk.target, why: reasonForWhole(disk, parent) }))
  const increments = reasons.filter(({ why }) => !why).map(({ target }) => target)
  const wholes = reasons.flatMap(({ target, why }) => (why ? [`${target} is captured whole: ${why}`] : []))
  const gone = parent.images.filter(({ target }) => !disks.some(disk => disk.target === target))
  const lost = gone.map(({ target }) => `${target} was in ${parent.id} and is no longer captured`)
  const passed = newest === parent ? [] : [`it builds on ${parent.id}: ${reasonAgainst(newest)}`]
  const warnings = [...whole.warnings, ...passed, ...wholes, ...lost]
  if (!increments.length) return { ...full(wholes.join('; ')), warnings }
  return { ...whole, why: `${whole.why}; on ${parent.id}`, parent: parent.id, increments, warnings }
}

function reasonAgainst({ id, fullAt, changed }: Candidate): string {
  if (!changed) return `the checkpoint of ${id} is gone or broken (QEMU was killed, or the disks were restored)`
  return fullAt ? `${id} cannot be built on` : `files of ${id}, or of what it builds on, are missing`
}

/** Undefined where the disk is the one in the parent, and its changes since are known. */
function reasonForWhole(disk: KnownDisk, { id, images, changed }: Candidate): string | undefined {
  const image = images.find(({ target }) => target === disk.target)
  if (!image) return `it is not in ${id}`
  if (image.source !== disk.source) return `it lay at ${image.source} in ${id}`
  if (image.capacity !== disk.capacity) return `its size was ${image.capacity} bytes in ${id} and is ${disk.capacity}`
  if (image.format !== 'qcow2') return `its image in ${id} is ${image.format}`
  return changed?.has(disk.target) ? undefined : `its changes since ${id} are not known`
}
