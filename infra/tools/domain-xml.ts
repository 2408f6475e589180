/** A domain's XML, read and changed as a document: what Holdfast does not know stays as libvirt wrote it. */
import { DOMParser, type Document, type Element, XMLSerializer } from '@xmldom/xmldom'
import { HoldfastError, messageOf } from '../errors.ts'

/** A hard disk of a domain; CD-ROMs, floppies and empty drives are none. */
export interface DomainDisk {
  /** `vda` */
  target: string
  /** `file` `block` `network` `volume` … */
  type: string
  /** As the driver says: `qcow2`, `raw`. */
  format: string
  /** A file or a block device; undefined for what lies elsewhere, such as Ceph. */
  source: string | undefined
  readonly: boolean
  shareable: boolean
  transient: boolean
  encrypted: boolean
}

export interface DomainDescription {
  name: string
  uuid: string
  /** KiB. */
  memory: number
  disks: DomainDisk[]
  /** The file with the UEFI variables. */
  nvram: string | undefined
  /** UEFI in flash: internal snapshots are impossible then. */
  flash: boolean
  /** Version of an emulated TPM, such as `2.0`. */
  tpm: string | undefined
  /** Where the XML says that the emulated TPM's state lies; undefined: in libvirt's own place. */
  tpmStore: string | undefined
  /** It has a channel on which a guest agent can answer. */
  agent: boolean
  /** A screen of which a picture can be taken. */
  screen: boolean
  /** The user a running QEMU works as, `64055:64055`, where libvirt says so. */
  owner: string | undefined
}

export type DomainDocument = Document

export function parseDomain(xml: string): DomainDocument {
  return parseXml(xml, 'domain')
}

/** Any document of libvirt's, by the name of its root element. */
export function parseXml(xml: string, root: string): Document {
  try {
    const document = new DOMParser({ onError: raise }).parseFromString(xml, 'text/xml')
    if (document.documentElement?.tagName !== root) throw new Error(`its root is ${document.documentElement?.tagName}`)
    return document
  } catch (error) {
    throw new HoldfastError(`this is no ${root} XML: ${messageOf(error)}`, { cause: error, retryable: false })
  }
}

function raise(level: string, message: string): void {
  if (level !== 'warning') throw new Error(message)
}

export function domainText(document: DomainDocument): string {
  return `${new XMLSerializer().serializeToString(document)}\n`
}

export function describeDomain(xml: string | DomainDocument): DomainDescription {
  const root = rootOf(typeof xml === 'string' ? parseDomain(xml) : xml)
  const os = child(root, 'os')
  const devices = child(root, 'devices')
  const loader = os && child(os, 'loader')
  const channels = devices ? children(devices, 'channel') : []
  const tpm =
    devices &&
    children(devices, 'tpm')
      .flatMap(device => children(device, 'backend'))
      .find(isEmulated)
  return {
    name: textOf(root, 'name') ?? '',
    uuid: textOf(root, 'uuid') ?? '',
    memory: Number(textOf(root, 'memory') ?? 0),
    disks: diskElements(root).map(describeDisk),
    nvram: os && textOf(os, 'nvram'),
    flash: loader?.getAttribute('type') === 'pflash' || os?.getAttribute('firmware') === 'efi',
    tpm: tpm && (tpm.getAttribute('version') || 'default'),
    tpmStore: (tpm && child(tpm, 'source')?.getAttribute('path')) || undefined,
    agent: channels.some(channel => child(channel, 'target')?.getAttribute('name') === 'org.qemu.guest_agent.0'),
    screen: Boolean(devices && children(devices, 'video').some(video => child(video, 'model')?.getAttribute('type') !== 'none')),
    owner: ownerOf(root),
  }
}

/** The elements of its hard disks, in the order of the document. */
export function diskElements(root: Element): Element[] {
  const devices = child(root, 'devices')
  return (devices ? children(devices, 'disk') : []).filter(disk => {
    const device = disk.getAttribute('device') ?? 'disk'
    return (device === 'disk' || device === 'lun') && child(disk, 'source') !== undefined
  })
}

export function rootOf(document: DomainDocument): Element {
  const root = document.documentElement
  if (!root) throw new HoldfastError('this domain XML is empty', { retryable: false })
  return root
}

/** The first child element of this name. */
export function child(parent: Element, name: string): Element | undefined {
  return children(parent, name)[0]
}

export function children(parent: Element, name: string): Element[] {
  const found: Element[] = []
  for (let node = parent.firstChild; node; node = node.nextSibling) if (isElement(node) && node.tagName === name) found.push(node)
  return found
}

export function textOf(parent: Element, name: string): string | undefined {
  return child(parent, name)?.textContent ?? undefined
}

/** Adds an element at the end. */
export function append(parent: Element, name: string, attributes: Readonly<Record<string, string>> = {}): Element {
  const document = parent.ownerDocument
  if (!document) throw new HoldfastError('this element belongs to no domain XML', { retryable: false })
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  parent.appendChild(element)
  return element
}

/** Adds an empty element at the beginning. */
export function prepend(parent: Element, name: string): Element {
  const document = parent.ownerDocument
  if (!document) throw new HoldfastError('this element belongs to no domain XML', { retryable: false })
  const element = document.createElement(name)
  parent.insertBefore(element, parent.firstChild)
  return element
}

function isEmulated(backend: Element): boolean {
  return backend.getAttribute('type') === 'emulator'
}

function isElement(node: { nodeType: number }): node is Element {
  return node.nodeType === 1
}

function describeDisk(disk: Element): DomainDisk {
  const source = child(disk, 'source')
  return {
    target: child(disk, 'target')?.getAttribute('dev') ?? '',
    type: disk.getAttribute('type') ?? 'file',
    format: child(disk, 'driver')?.getAttribute('type') ?? 'raw',
    source: source?.getAttribute('file') ?? source?.getAttribute('dev') ?? undefined,
    readonly: child(disk, 'readonly') !== undefined,
    shareable: child(disk, 'shareable') !== undefined,
    transient: child(disk, 'transient') !== undefined,
    encrypted: (child(disk, 'encryption') ?? (source && child(source, 'encryption'))) !== undefined,
  }
}

/** `+64055:+64055`, or names. */
function ownerOf(root: Element): string | undefined {
  const label = children(root, 'seclabel').find(element => element.getAttribute('model') === 'dac')
  return label && (textOf(label, 'label') ?? textOf(label, 'imagelabel'))?.replaceAll('+', '')
}
