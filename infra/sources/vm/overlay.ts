/** The overlays that a guest writes to while its disks are copied. Their names hold the backup's id: no others are touched. */
import { basename, dirname, join } from 'node:path'
import { HoldfastError } from '../../errors.ts'
import { parseBackupId } from '../../layout.ts'
import {
  child,
  children,
  type DomainDisk,
  type DomainDocument,
  diskElements,
  domainText,
  parseDomain,
  rootOf,
} from '../../tools/domain-xml.ts'
import { type Guest, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import { imageChain, imageInfo } from '../../tools/qemu-img.ts'
import { virsh } from '../../tools/virsh.ts'

/** Beside a file, so that nothing has to be moved; in the stage for a block device, as nothing can lie beside that. */
export function overlayOf(disk: { target: string; source: string; type: string }, id: string, stage: string): string {
  return disk.type === 'file' ? `${disk.source}${endOf(id)}` : join(stage, `${disk.target}${endOf(id)}`)
}

/** Whether a file is an overlay of this backup. */
export function isOverlayOf(path: string, id: string): boolean {
  return basename(path).endsWith(endOf(id))
}

/** The backup whose overlay a file is; undefined where it is none. */
export function overlayId(path: string): string | undefined {
  const id = /\.([^.]+)\.overlay$/.exec(basename(path))?.[1]
  return id !== undefined && parseBackupId(id) ? id : undefined
}

/** Its disks belong to another source's backup until that is done: what is captured now would name the overlay as the disk. */
export function refuseForeignOverlays(
  { domain }: Guest,
  source: string,
  disks: readonly Pick<DomainDisk, 'target' | 'source'>[],
): void {
  const found = disks.map(({ target, source: path = '' }) => ({ target, path, id: overlayId(path) }))
  const other = found.find(({ id }) => id !== undefined && parseBackupId(id)?.source !== source)
  if (other)
    throw new HoldfastError(`${other.target} of ${domain} is on the overlay of ${other.id}, a backup of another source`, {
      hint:
        `This is tried again: the overlay is merged once that backup is copied. One of a source that is no more: ` +
        `virsh blockcommit ${domain} ${other.target} --active --shallow --pivot`,
    })
}

function endOf(id: string): string {
  return `.${id}.overlay`
}

/** One definition of a domain and what its disks stand on. */
export interface Standing {
  active: boolean
  /** The file or device that each target writes to. */
  sources: Map<string, string>
  /** Every image that any disk needs, whether its own or below. */
  needed: Set<string>
}

/** Of the domain as it runs, and as it will be started next; a domain that is off, or has no definition, has one of the two. */
export async function standings(guest: Guest): Promise<Standing[]> {
  const active = isActive(await stateOf(guest))
  const persistent = /^Persistent:\s+yes$/m.test(await virsh(guest, ['dominfo', `--domain=${guest.domain}`]))
  const texts = [
    ...(active ? [{ active, xml: await xmlOf(guest) }] : []),
    ...(persistent ? [{ active: false, xml: await xmlOf(guest, { inactive: true }) }] : []),
  ]
  return await Promise.all(texts.map(({ active: runs, xml }) => standing(guest, runs, parseDomain(xml))))
}

async function standing(guest: Guest, active: boolean, document: DomainDocument): Promise<Standing> {
  const sources = new Map(diskElements(rootOf(document)).flatMap(disk => entryOf(disk)))
  const needed = new Set<string>()
  for (const path of sources.values()) {
    needed.add(path)
    // What is not there holds nothing; a guest that runs has its images open.
    if (!(await guest.host.stat(path))) continue
    for (const image of await imageChain(guest.host, path, { shared: true })) needed.add(image.path)
  }
  return { active, sources, needed }
}

type DiskElement = ReturnType<typeof diskElements>[number]

function entryOf(disk: DiskElement): [string, string][] {
  const source = child(disk, 'source')
  const path = source?.getAttribute('file') ?? source?.getAttribute('dev')
  const target = child(disk, 'target')?.getAttribute('dev')
  return path && target ? [[target, path]] : []
}

/** Lets the next start of a domain use what an overlay was made on, in place of the overlay. */
export async function redefineOn(guest: Guest, overlay: string): Promise<void> {
  const { base, format } = await baseOf(guest, overlay)
  const type = (await guest.host.stat(base))?.type === 'file' ? 'file' : 'block'
  // With passwords: what is defined without them has none.
  const document = parseDomain(await xmlOf(guest, { inactive: true, security: true }))
  for (const disk of diskElements(rootOf(document))) {
    if (entryOf(disk)[0]?.[1] !== overlay) continue
    const source = child(disk, 'source')
    disk.setAttribute('type', type)
    source?.removeAttribute('file')
    source?.setAttribute(type === 'file' ? 'file' : 'dev', base)
    child(disk, 'driver')?.setAttribute('type', format)
    for (const backing of children(disk, 'backingStore')) disk.removeChild(backing)
  }
  const file = `${overlay}.xml`
  await guest.host.write(file, domainText(document))
  await virsh(guest, ['define', `--file=${file}`])
  await guest.host.remove(file)
}

/** The image that an overlay was made on. */
export async function baseOf({ host }: Guest, overlay: string): Promise<{ base: string; format: string }> {
  const { backing, backingFormat } = await imageInfo(host, overlay, { shared: true })
  if (!backing || !backingFormat) throw new Error(`${overlay} stands on nothing`)
  return { base: join(backing.startsWith('/') ? '/' : dirname(overlay), backing), format: backingFormat }
}
