/** A domain's XML for a drill: it reaches no network, no device and no file of the original, and is defined nowhere. Pure. */
import { append, child, children, domainText, parseDomain, rootOf } from '../../tools/domain-xml.ts'
import { type BackedDisk, withBacking } from './backed.ts'

type Element = ReturnType<typeof rootOf>

export interface Rehearsal {
  name: string
  disks: readonly BackedDisk[]
  /** A copy of the UEFI variables. */
  nvram: string | undefined
  /** libvirt labels files with owners. */
  labelled: boolean
}

export interface Harmless {
  xml: string
  /** What of the original it does without. */
  leftOut: string[]
}

/** What would reach out of the drill, or is one of a kind on the host. */
const DANGEROUS = ['interface', 'hostdev', 'redirdev', 'redirfilter', 'filesystem', 'shmem', 'smartcard', 'lease', 'vsock', 'tpm']
/** What only an attached person or the host's own set-up needs. */
const NEEDLESS = ['graphics', 'audio', 'sound', 'parallel', 'console', 'serial']
const SETTINGS = [
  'uuid',
  'genid',
  'cputune',
  'numatune',
  'memoryBacking',
  'blkiotune',
  'seclabel',
  'resource',
  'qemu:commandline',
]

export function harmless(xml: string, { name, disks, nvram, labelled }: Rehearsal): Harmless {
  const document = parseDomain(withBacking(xml, disks, labelled))
  const root = rootOf(document)
  for (const tag of SETTINGS) removeAll(root, tag)
  // libvirt refuses a UUID in the BIOS that is another than the domain's.
  removeAll(root, 'sysinfo')
  for (const os of children(root, 'os')) {
    removeAll(os, 'smbios')
    for (const variables of children(os, 'nvram')) {
      if (nvram === undefined) os.removeChild(variables)
      else variables.textContent = nvram
    }
  }
  for (const title of children(root, 'name')) title.textContent = name
  const leftOut: string[] = []
  for (const devices of children(root, 'devices')) {
    leftOut.push(...dropDisks(devices, disks))
    for (const tag of DANGEROUS) if (removeAll(devices, tag)) leftOut.push(tag)
    for (const tag of NEEDLESS) removeAll(devices, tag)
    for (const channel of children(devices, 'channel')) tame(devices, channel)
    append(devices, 'serial', { type: 'pty' })
    const model = screenOf(devices, archOf(root))
    if (model) append(append(devices, 'video'), 'model', { type: model })
  }
  return { xml: domainText(document), leftOut }
}

/** Drives are emptied; disks that are not in the backup belong to the original. */
function dropDisks(devices: Element, disks: readonly BackedDisk[]): string[] {
  const dropped: string[] = []
  for (const disk of children(devices, 'disk')) {
    const target = child(disk, 'target')?.getAttribute('dev') ?? ''
    if (disks.some(own => own.target === target)) continue
    if (['cdrom', 'floppy'].includes(disk.getAttribute('device') ?? '')) {
      disk.setAttribute('type', 'file')
      removeAll(disk, 'source')
      removeAll(disk, 'backingStore')
      continue
    }
    devices.removeChild(disk)
    dropped.push(`disk ${target}`)
  }
  return dropped
}

/** The agent's channel gets a socket of its own; those that need a person's screen or another socket go. */
function tame(devices: Element, channel: Element): void {
  if (child(channel, 'target')?.getAttribute('name') !== 'org.qemu.guest_agent.0') return void devices.removeChild(channel)
  channel.setAttribute('type', 'unix')
  removeAll(channel, 'source')
  removeAll(channel, 'log')
}

/** The video card to add where a picture could not be taken otherwise. */
function screenOf(devices: Element, arch: string): string | undefined {
  for (const video of children(devices, 'video')) {
    const model = child(video, 'model')
    // Its acceleration needs a screen that somebody looks at.
    if (model) for (const acceleration of children(model, 'acceleration')) model.removeChild(acceleration)
    if (model?.getAttribute('type') !== 'none') return undefined
    devices.removeChild(video)
  }
  return arch === 'x86_64' || arch === 'i686' ? 'vga' : 'virtio'
}

function archOf(root: Element): string {
  const os = child(root, 'os')
  return (os && child(os, 'type')?.getAttribute('arch')) ?? 'x86_64'
}

function removeAll(parent: Element, tag: string): boolean {
  const found = children(parent, tag)
  for (const element of found) parent.removeChild(element)
  return found.length > 0
}
