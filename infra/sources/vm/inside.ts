/** Internal snapshots: a way back that lies inside the domain's own disks, and is lost with them. */
import { dirname } from 'node:path'
import { HoldfastError, InvalidInput, VerificationFailed } from '../../errors.ts'
import { type Check, INSIDE } from '../../manifest.ts'
import { describeDomain } from '../../tools/domain-xml.ts'
import { ask, askUnless, type Guest, isActive, xmlOf } from '../../tools/guest.ts'
import { imageInfo } from '../../tools/qemu-img.ts'
import type { Capture } from './capture.ts'
import { isOurs } from './checkpoints.ts'
import { CLEAN, endOf } from './convert.ts'
import { dropBitmaps, dropCheckpoints } from './drop-checkpoints.ts'
import type { Moment } from './freeze.ts'
import { isKept } from './kept.ts'
import type { Look } from './look.ts'

const GONE = /no domain snapshot with matching name|failed to get domain|Domain not found/

/** Fails, before anything is done, where a domain cannot have an internal snapshot. */
export function refuseInside({ domain }: Guest, { description: { disks, flash } }: Look, foreign: readonly string[]): void {
  const unable = disks.filter(({ format, readonly }) => format !== 'qcow2' && !readonly)
  const why = [
    ...unable.map(({ target, format }) => `${target} is ${format}, and only qcow2 holds snapshots`),
    ...(flash ? ['its UEFI variables are in flash, which has none'] : []),
    ...foreign.map(name => `its checkpoint ${name} is not ours, and would be wrong after going back`),
  ]
  if (!why.length) return
  const hint = 'Configure mode: live, or ask for it: a live backup needs none of this, and lies outside the guest.'
  throw new InvalidInput(`${domain} cannot have an internal snapshot: ${why.join('; ')}`, { hint })
}

/**
 * Makes one, with the memory of a guest that runs. Our checkpoints go first: after going back to it they would not know what changed,
 * so the next backup outside is a full one.
 */
export async function fixInside(capture: Capture): Promise<Moment> {
  const { guest, work, look } = capture
  await dropCheckpoints(guest, work.source)
  if (!look.active) await dropBitmaps(guest, work.source)
  await removeForgotten(capture)
  if (look.active) await requireRoom(capture)
  const description = `Holdfast: backup ${work.id}`
  const began = performance.now()
  capture.held.at = new Date().toISOString()
  await ask(guest, 'snapshot-create-as', `--name=${work.id}`, `--description=${description}`)
  const downtime = Math.round(performance.now() - began)
  capture.warn(`it is a snapshot ${INSIDE}`)
  if (look.active) return { achieved: 'application', frozen: null, downtime }
  return { achieved: (await endOf(guest)) === CLEAN ? 'filesystem' : 'crash', frozen: null }
}

/** Retention knows backups alone: there are never more snapshots of ours than there are backups of them. */
async function removeForgotten({ guest, work, look }: Capture): Promise<void> {
  for (const name of look.snapshots.filter(name => isOurs(name, work.source) && name !== work.id))
    if (!(await isKept(work.host, work.root, name))) await removeInside(guest, name)
}

/** QEMU writes the memory into the first disk, and a disk that is full stops the guest. */
async function requireRoom({ guest, work, look }: Capture): Promise<void> {
  const [disk] = look.disks
  if (disk?.type !== 'file') return
  const { free } = await work.host.space(dirname(disk.source))
  const needed = look.description.memory * 1024
  if (free < needed)
    throw new HoldfastError(
      `the memory of ${guest.domain} takes ${needed} bytes of ${dirname(disk.source)}, which has ${free} free`,
      {
        hint: 'Make room there, or configure mode: live.',
      },
    )
}

/** That it is still there: nothing else can be known of it without going back to it. */
export async function checkInside(guest: Guest, name: string): Promise<Check> {
  if ((await askUnless(guest, GONE, 'snapshot-info', `--snapshotname=${name}`)) === undefined)
    throw new VerificationFailed(`${guest.domain} has no snapshot ${name} any more`, {
      hint: 'Somebody deleted it, or restored the disks. Nothing of this backup is left.',
    })
  return { name: 'snapshot', result: `there, ${INSIDE}` }
}

/** Takes it away, whole or half made. Does nothing where there is none. */
export async function removeInside(guest: Guest, name: string): Promise<void> {
  await askUnless(guest, GONE, 'snapshot-delete', `--snapshotname=${name}`)
  const state = await askUnless(guest, GONE, 'domstate')
  if (state === undefined || isActive(state)) return
  // libvirt knows nothing of one whose making was cut off with QEMU.
  for (const { source, format } of describeDomain(await xmlOf(guest)).disks) {
    if (source === undefined || format !== 'qcow2') continue
    const { snapshots } = await imageInfo(guest.host, source)
    if (snapshots.includes(name)) await guest.host.run(['qemu-img', 'snapshot', '-d', name, '--', source])
  }
}
