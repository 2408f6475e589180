/** The checkpoints that Holdfast made in a domain: each is named after its backup, and no others are touched. */
import { parseBackupId } from '../../layout.ts'
import { child, children, parseXml, rootOf } from '../../tools/domain-xml.ts'
import { ask, askUnless, type Guest, NOT_RUNNING } from '../../tools/guest.ts'
import { refusedWith, virshCommand } from '../../tools/virsh.ts'

const GONE = /no domain checkpoint with matching name/
const BROKEN = /checkpoint inconsistent|missing or broken bitmap|[Bb]itmap .*(not found|does not exist|is inconsistent)/
const OFF = new RegExp(`cannot delete checkpoint for inactive domain|${NOT_RUNNING.source}`)

/** virsh reads XML from files alone. */
const WITH_FILE = 'file=$(mktemp) && trap \'rm -f "$file"\' EXIT && cat > "$file" && "$@" --xmlfile="$file"'

/** Whether a checkpoint, a snapshot or a bitmap belongs to a backup of the source. */
export function isOurs(name: string, source: string): boolean {
  return parseBackupId(name)?.source === source
}

/** Bytes that changed since, for each disk whose changes are known; the numbers are not known while the domain is off. */
export type Changes = ReadonlyMap<string, number | undefined>

/** Undefined where the checkpoint is gone, or all of its bitmaps are missing or broken. */
export async function changesSince(guest: Guest, name: string, active: boolean): Promise<Changes | undefined> {
  const disks = await followedBy(guest, name, active ? ['--size'] : [])
  // A bitmap that is broken, or whose disk is gone, has no size.
  const known = disks?.filter(({ bytes }) => !active || bytes !== undefined)
  return known?.length ? new Map(known.map(({ target, bytes }) => [target, bytes])) : undefined
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
  try {
    await ask(guest, 'checkpoint-delete', `--checkpointname=${name}`)
  } catch (error) {
    if (refusedWith(error, GONE) || refusedWith(error, OFF)) return
    if (!refusedWith(error, BROKEN)) throw error
    const followed = (await followedBy(guest, name, [])) ?? []
    await forget(guest, name)
    for (const { target } of followed) await deleteBitmap(guest, target, name)
  }
}

/**
 * Deletes a bitmap that no checkpoint names from the disk of a domain that runs. What is left of a killed QEMU may be broken, and
 * one that is broken keeps its disk from being resized.
 */
export async function deleteBitmap(guest: Guest, target: string, name: string): Promise<void> {
  // libvirt deletes no bitmap by itself, but it can be told of a checkpoint that has this one and no other.
  const disk = `<disk name='${target}' checkpoint='bitmap' bitmap='${name}'/>`
  const about = `<name>${name}</name><creationTime>${Math.floor(Date.now() / 1000)}</creationTime>`
  const input = `<domaincheckpoint>${about}<disks>${disk}</disks></domaincheckpoint>`
  const command = virshCommand(guest, 'checkpoint-create', `--domain=${guest.domain}`, '--redefine')
  await guest.host.run(['sh', '-c', WITH_FILE, 'sh', ...command], { input, ...(guest.signal && { signal: guest.signal }) })
  try {
    await ask(guest, 'checkpoint-delete', `--checkpointname=${name}`)
  } catch (error) {
    if (!refusedWith(error, BROKEN)) throw error
    await forget(guest, name)
  }
}

async function forget(guest: Guest, name: string): Promise<void> {
  await askUnless(guest, GONE, 'checkpoint-delete', `--checkpointname=${name}`, '--metadata')
}

async function followedBy(
  guest: Guest,
  name: string,
  flags: readonly string[],
): Promise<{ target: string; bytes: number | undefined }[] | undefined> {
  const unusable = new RegExp(`${GONE.source}|${BROKEN.source}`)
  const xml = await askUnless(guest, unusable, 'checkpoint-dumpxml', `--checkpointname=${name}`, '--no-domain', ...flags)
  if (xml === undefined) return undefined
  const disks = child(rootOf(parseXml(xml, 'domaincheckpoint')), 'disks')
  const followed = disks ? children(disks, 'disk').filter(disk => disk.getAttribute('checkpoint') === 'bitmap') : []
  return followed.map(disk => {
    const bytes = disk.getAttribute('size')
    return { target: disk.getAttribute('name') ?? '', bytes: bytes === null ? undefined : Number(bytes) }
  })
}
