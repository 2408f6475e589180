/** The checkpoints that Holdfast made in a domain: each is named after its backup, and no others are touched. */
import { parseBackupId } from '../../layout.ts'
import { child, children, parseXml, rootOf } from '../../tools/domain-xml.ts'
import { askUnless, type Guest } from '../../tools/guest.ts'

const GONE = /no domain checkpoint with matching name/
const BROKEN = /checkpoint inconsistent|missing or broken bitmap|[Bb]itmap .*(not found|does not exist|is inconsistent)/
const OFF = /cannot delete checkpoint for inactive domain/

/** Whether a checkpoint, or a snapshot, belongs to a backup of the source. */
export function isOurs(name: string, source: string): boolean {
  return parseBackupId(name)?.source === source
}

/** Bytes that changed since, for each disk that it follows; undefined while the domain is off. */
export type Changes = ReadonlyMap<string, number | undefined>

/** Undefined where the checkpoint is gone, or one of its bitmaps is missing or broken: then libvirt takes no increment on it. */
export async function changesSince(guest: Guest, name: string, active: boolean): Promise<Changes | undefined> {
  const size = active ? ['--size'] : []
  const unusable = new RegExp(`${GONE.source}|${BROKEN.source}`)
  const xml = await askUnless(guest, unusable, 'checkpoint-dumpxml', `--checkpointname=${name}`, '--no-domain', ...size)
  if (xml === undefined) return undefined
  const disks = child(rootOf(parseXml(xml, 'domaincheckpoint')), 'disks')
  const followed = disks ? children(disks, 'disk').filter(disk => disk.getAttribute('checkpoint') === 'bitmap') : []
  const sizes = followed.map(disk => [disk.getAttribute('name') ?? '', disk.getAttribute('size')] as const)
  if (active && sizes.some(([, bytes]) => bytes === null)) return undefined
  return new Map(sizes.map(([target, bytes]) => [target, bytes === null ? undefined : Number(bytes)]))
}

/**
 * Deletes checkpoints of ours; libvirt merges their bitmaps into their parents', so that nothing that changed is forgotten. Those of a
 * domain that is off stay for another time: libvirt could only forget them, and their bitmaps would be left in the images.
 */
export async function deleteCheckpoints(guest: Guest, names: readonly string[]): Promise<void> {
  // Children first: a child's changes go where its parent's will go.
  for (const name of names.toReversed()) await deleteCheckpoint(guest, name)
}

/** Does nothing where there is none. */
export async function deleteCheckpoint(guest: Guest, name: string): Promise<void> {
  const named = `--checkpointname=${name}`
  const known = new RegExp(`${GONE.source}|${BROKEN.source}|${OFF.source}`)
  if ((await askUnless(guest, known, 'checkpoint-delete', named)) !== undefined) return
  if (await isBroken(guest, name)) await askUnless(guest, GONE, 'checkpoint-delete', named, '--metadata')
}

async function isBroken(guest: Guest, name: string): Promise<boolean> {
  return (
    (await askUnless(guest, /domain is not running/, 'checkpoint-dumpxml', `--checkpointname=${name}`, '--size')) !== undefined
  )
}
