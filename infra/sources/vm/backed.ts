/** Disks that lie over a backup's images: what the guest writes goes into an overlay, and the backup is only read. */
import { join, normalize } from 'node:path'
import { VerificationFailed } from '../../errors.ts'
import { letRead, type Reader } from '../../tools/access.ts'
import { append, child, children, diskElements, domainText, parseDomain, rootOf } from '../../tools/domain-xml.ts'
import type { Guest } from '../../tools/guest.ts'
import { realPath } from '../../tools/ownership.ts'
import { imageChain, layOver } from '../../tools/qemu-img.ts'
import type { StoredWork } from '../source.ts'
import type { Image } from './details.ts'
import { type NewDisk, withDisks } from './place-disks.ts'
import { qemuOwner } from './stage.ts'

/** A disk with what it builds on, the nearest first. */
export interface BackedDisk extends NewDisk {
  below: { path: string; format: string }[]
}

/** The image and everything below it, where they lie. Throws where one is missing. */
export async function chainOf({ host, directory, signal }: Work, { artifact }: Image): Promise<BackedDisk['below']> {
  const place = await realPath(host, await host.resolve(directory))
  const chain = await imageChain(host, join(place, artifact), { signal }).catch((error: unknown) => {
    throw new VerificationFailed(`the chain of ${join(place, artifact)} does not open to its base`, {
      cause: error,
      hint: 'An image that it builds on is missing or damaged. Restore from another copy.',
    })
  })
  return chain.map(({ path, format }) => ({ path: normalize(path), format }))
}

type Work = Pick<StoredWork<unknown>, 'host' | 'directory' | 'signal'>

export interface Overlay {
  image: Image
  /** Where it is to be made; what lies there is replaced. */
  path: string
}

/** Makes an overlay over an image of the backup. It is ours alone: who else writes to it has to be let in. */
export async function makeOverlay(work: Work, { image, path }: Overlay): Promise<BackedDisk> {
  const { host, signal } = work
  const below = await chainOf(work, image)
  const [base] = below
  if (!base) throw new VerificationFailed(`${image.artifact} is missing`)
  // Made by us first: nobody else may read a disk that is being written.
  await host.write(path, '')
  await layOver(host, { image: path, base: base.path, format: base.format, capacity: image.capacity }, signal)
  await host.run(['sync', '--', path], { signal })
  return { target: image.target, path, format: 'qcow2', below }
}

/** Lets QEMU's user read the backup's images; as ourselves it may already. `notes` outlives a kill. Returns that user. */
export async function openBackup(
  guest: Guest,
  disks: readonly BackedDisk['below'][],
  { notes, token, passed }: Pick<Reader, 'notes' | 'token'> & { passed: readonly string[] },
): Promise<string | undefined> {
  const owner = await qemuOwner(guest)
  if (owner === undefined || owner.startsWith('0:')) return owner
  const files = [...new Set(disks.flat().map(({ path }) => path))]
  await letRead({ host: guest.host, owner, notes, token }, files, passed)
  return owner
}

/** The XML with these disks, each with the whole chain that it builds on. libvirt leaves the owners in that chain alone. */
export function withBacking(xml: string, disks: readonly BackedDisk[], labelled: boolean): string {
  const document = parseDomain(withDisks(xml, disks))
  for (const element of diskElements(rootOf(document))) {
    const disk = disks.find(({ target }) => target === child(element, 'target')?.getAttribute('dev'))
    if (!disk) continue
    for (const old of children(element, 'backingStore')) element.removeChild(old)
    let above = element
    for (const { path, format } of disk.below) {
      above = append(above, 'backingStore', { type: 'file' })
      append(above, 'format', { type: format })
      const source = append(above, 'source', { file: path })
      if (labelled) append(source, 'seclabel', { model: 'dac', relabel: 'no' })
    }
    append(above, 'backingStore')
  }
  return domainText(document)
}
