/** A domain's XML with images of ours in the places of its disks. Pure. */
import {
  child,
  children,
  type DomainDocument,
  diskElements,
  domainText,
  parseDomain,
  prepend,
  rootOf,
} from '../../tools/domain-xml.ts'

type Element = ReturnType<typeof rootOf>

/** Where a disk lies. */
export interface NewDisk {
  target: string
  path: string
  format: string
  /** What lies there is no image of ours, and encrypted as the XML says. */
  encrypted?: boolean | undefined
}

/** The XML with its disks at other places, each whole: what an image built on there is in it now. */
export function withDisks(xml: string, disks: readonly NewDisk[]): string {
  const document = parseDomain(xml)
  for (const element of diskElements(rootOf(document))) {
    const disk = disks.find(({ target }) => target === targetOf(element))
    if (disk) placeDisk(element, disk)
  }
  return domainText(document)
}

/** The same in a document, without disks that are at no new place and that two domains cannot write to. Says which. */
export function placeDisks(document: DomainDocument, disks: readonly NewDisk[]): string[] {
  const leftOut: string[] = []
  for (const element of diskElements(rootOf(document))) {
    const disk = disks.find(({ target }) => target === targetOf(element))
    if (disk) placeDisk(element, disk)
    else if (!child(element, 'readonly') && !child(element, 'shareable')) {
      leftOut.push(targetOf(element))
      element.parentNode?.removeChild(element)
    }
  }
  return leftOut
}

function placeDisk(element: Element, { path, format, encrypted = false }: NewDisk): void {
  // A device that stays where it is is no file.
  const device = element.getAttribute('type') === 'block' && child(element, 'source')?.getAttribute('dev') === path
  element.setAttribute('type', device ? 'block' : 'file')
  // libvirt would put the old base below the image, and what is zero in the image would read as that.
  removeAll(element, 'backingStore')
  if (!encrypted) removeAll(element, 'encryption')
  for (const source of children(element, 'source')) {
    for (const attribute of [...source.attributes]) source.removeAttribute(attribute.name)
    source.setAttribute(device ? 'dev' : 'file', path)
    if (!encrypted) removeAll(source, 'encryption')
  }
  const driver = child(element, 'driver') ?? prepend(element, 'driver')
  if (!driver.getAttribute('name')) driver.setAttribute('name', 'qemu')
  driver.setAttribute('type', format)
}

function removeAll(parent: Element, name: string): void {
  for (const element of children(parent, name)) parent.removeChild(element)
}

function targetOf(disk: Element): string {
  return child(disk, 'target')?.getAttribute('dev') ?? ''
}
