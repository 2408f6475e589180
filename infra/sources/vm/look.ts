/** A domain as it is now. */
import { type HoldfastError, InvalidInput } from '../../errors.ts'
import { type DomainDescription, type DomainDisk, describeDomain } from '../../tools/domain-xml.ts'
import { ask, type Guest, infoOf, isActive, xmlOf } from '../../tools/guest.ts'
import { imageChain, version } from '../../tools/qemu-img.ts'
import { virsh } from '../../tools/virsh.ts'

export interface Disk extends DomainDisk {
  /** A file or a block device. */
  source: string
  /** Bytes the guest sees. */
  capacity: number
  /** Bytes in use, with those of the images it builds on. */
  allocated: number
  /** It can hold the bitmaps that increments need: qcow2 version 3. */
  tracks: boolean
  /** Names of the bitmaps that are stored in it. */
  bitmaps: string[]
}

export interface Look {
  description: DomainDescription
  state: string
  /** It starts with its host. */
  autostart: boolean
  /** A QEMU process holds its disks. */
  active: boolean
  /** The disks to capture. */
  disks: Disk[]
  /** What is left out, and why. */
  omitted: { target: string; why: string }[]
  /** Names of all checkpoints, parents first, and of all snapshots. */
  checkpoints: string[]
  snapshots: string[]
  tools: Record<string, string>
}

/** Asks libvirt for all of it. Fails where there is no such domain, or nothing of it to capture. */
export async function look(guest: Guest, exclude: readonly string[]): Promise<Look> {
  const [xml, { state, autostart }, sizes, checkpoints, snapshots, tools] = await Promise.all([
    xmlOf(guest),
    infoOf(guest),
    sizesOf(guest),
    ask(guest, 'checkpoint-list', '--topological', '--name'),
    ask(guest, 'snapshot-list', '--topological', '--name'),
    versions(guest),
  ])
  const description = describeDomain(xml)
  const omitted = description.disks.flatMap(disk => {
    const why = reasonToOmit(disk, exclude)
    return why ? [{ target: disk.target, why }] : []
  })
  refuseUnknown(guest, exclude, description)
  const kept = description.disks.filter(({ target }) => !omitted.some(other => other.target === target))
  const disks = await Promise.all(kept.map(disk => lookAtDisk(guest, disk, sizes)))
  if (!disks.length) throw noDisks(guest, omitted)
  return {
    description,
    state,
    autostart,
    active: isActive(state),
    disks,
    omitted,
    checkpoints: lines(checkpoints),
    snapshots: lines(snapshots),
    tools,
  }
}

/** Versions of what takes part. */
export async function versions(guest: Guest): Promise<Record<string, string>> {
  const [text, image] = await Promise.all([virsh(guest, ['version']), version(guest.host)])
  const libvirt = /Using library: libvirt (\S+)/.exec(text)?.[1]
  const qemu = /Running hypervisor: QEMU (\S+)/.exec(text)?.[1]
  return { ...(libvirt && { libvirt }), ...(qemu && { qemu }), 'qemu-img': image }
}

/** Why a disk is left out; undefined where it is captured. */
export function reasonToOmit(disk: DomainDisk, exclude: readonly string[]): string | undefined {
  if (exclude.includes(disk.target)) return 'excludeDisks names it'
  if (disk.readonly) return 'it is read only'
  if (disk.transient) return 'it is transient: its changes end with the guest'
  return undefined
}

/** A typing error would leave a disk in, or out, that nobody meant. */
function refuseUnknown(guest: Guest, exclude: readonly string[], { disks }: DomainDescription): void {
  const unknown = exclude.filter(target => !disks.some(disk => disk.target === target))
  if (unknown.length)
    throw new InvalidInput(`${guest.domain} has no disk ${unknown.join(', ')}, which excludeDisks names`, {
      hint: `It has ${disks.map(({ target }) => target).join(', ')}. Correct excludeDisks.`,
    })
}

async function lookAtDisk(guest: Guest, disk: DomainDisk, sizes: Map<string, Size>): Promise<Disk> {
  const { source } = disk
  const size = sizes.get(disk.target)
  if (source === undefined || !size)
    throw new InvalidInput(`the disk ${disk.target} of ${guest.domain} is neither a file nor a block device (${disk.type})`, {
      hint: `Leave it out, and protect it where it lies: excludeDisks: [${disk.target}]`,
    })
  const [top, ...below] = await imageChain(guest.host, source, { shared: true })
  const allocated = below.reduce((sum, image) => sum + image.allocated, size.allocated)
  const bitmaps = (top?.bitmaps ?? []).map(({ name }) => name)
  const tracks = disk.format === 'qcow2' && top?.compat !== '0.10'
  return { ...disk, source, capacity: size.capacity, allocated: Math.min(allocated, size.capacity), tracks, bitmaps }
}

interface Size {
  capacity: number
  allocated: number
}

/** `vda  536870912  12464128  12517376` on each line; `-` where a drive is empty. */
async function sizesOf(guest: Guest): Promise<Map<string, Size>> {
  const text = await ask(guest, 'domblkinfo', '--all')
  const found = lines(text).map(line => line.split(/\s+/))
  return new Map(
    found.flatMap(([target = '', capacity = '', allocated = '']) =>
      /^\d+$/.test(capacity) ? [[target, { capacity: Number(capacity), allocated: Number(allocated) }] as const] : [],
    ),
  )
}

function noDisks(guest: Guest, omitted: Look['omitted']): HoldfastError {
  const why = omitted.map(({ target, why }) => `${target}: ${why}`).join('; ')
  return new InvalidInput(`${guest.domain} has no disk to back up${why ? ` (${why})` : ''}`)
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
}
