/** What a restore is to bring back, and where to. Pure. */
import { basename, dirname, join } from 'node:path'
import { InvalidInput, VerificationFailed } from '../../errors.ts'
import type { Manifest } from '../../manifest.ts'
import type { RestoreWork, StoredWork } from '../source.ts'
import { Details, type Image } from './details.ts'

/** An image of the backup and the file that it becomes. */
export interface Placed {
  image: Image
  path: string
  format: string
  /** It gets the owner and mode that the domain's own disk had; otherwise it is a file of ours. */
  owned: boolean
}

export type Goal =
  /** Everything where it was; `inside`: by going back to a snapshot in its own disk. */
  | { what: 'whole' }
  | { what: 'inside'; snapshot: string }
  /** Everything beside the original, under a new name. */
  | { what: 'copy'; name: string }
  /** With a path: brought there alone. Without: to its place in the domain. */
  | { what: 'disk'; image: Image; path: string | undefined }
  | { what: 'xml'; path: string | undefined }
  | { what: 'workspace'; path: string | undefined }

/** What the manifest says of this kind; throws VerificationFailed where it says something else. */
export function detailsOf({ manifest }: Pick<StoredWork<unknown>, 'manifest'>): Details {
  const details = Details.safeParse(manifest.details)
  if (details.success) return details.data
  const [issue] = details.error.issues
  throw new VerificationFailed(
    `vm: the manifest of ${manifest.id} lacks what a restore needs: ${issue?.path.join('.')}: ${issue?.message}`,
    { hint: 'This copy is damaged. Restore from another one.', cause: details.error },
  )
}

/** What can be restored alone. */
export function partsOf(manifest: Manifest): string[] {
  const { images, workspace } = detailsOf({ manifest })
  return [...images.map(({ target }) => target), 'xml', ...(workspace ? ['workspace'] : [])]
}

export function goalOf(work: Pick<RestoreWork<unknown>, 'manifest' | 'part' | 'to'>): Goal {
  const { manifest, part, to } = work
  const { images, inside, domain } = detailsOf(work)
  if (part === 'xml' || part === 'workspace') return { what: part, path: to }
  const image = images.find(({ target }) => target === part)
  if (image) return { what: 'disk', image, path: to }
  if (part !== undefined)
    throw new InvalidInput(`${manifest.id} has no part ${JSON.stringify(part)}`, {
      hint: `There is: ${partsOf(manifest).join(', ')}.`,
    })
  if (inside !== null && to !== undefined)
    throw new InvalidInput(`${manifest.id} is a snapshot inside the disks of ${domain}: there is nothing to copy`, {
      hint: 'Restore it in place, or choose another backup: holdfast list',
    })
  if (inside !== null) return { what: 'inside', snapshot: inside }
  return to === undefined ? { what: 'whole' } : { what: 'copy', name: to }
}

/** Where libvirt has images by itself. */
const IMAGES = '/var/lib/libvirt/images'

/** The disks of a copy lie beside the originals: `zeus-copy_vda.qcow2`. Beside a block device nothing can. */
export function copiesOf(images: readonly Image[], name: string): Placed[] {
  const file = images.find(({ device }) => !device)
  const instead = file ? dirname(file.source) : IMAGES
  return images.map(image => ({
    image,
    path: join(
      image.device ? instead : dirname(image.source),
      `${name}_${image.target}.${image.sourceFormat === 'raw' ? 'raw' : 'qcow2'}`,
    ),
    format: image.sourceFormat === 'raw' ? 'raw' : 'qcow2',
    owned: true,
  }))
}

export function originalsOf(images: readonly Image[]): Placed[] {
  return images.map(image => ({ image, path: image.source, format: image.sourceFormat, owned: true }))
}

/** Where a file lies until it takes its target's place. */
export function stagedPath(token: string, target: string): string {
  return join(dirname(target), `.holdfast-${token}-${basename(target)}`)
}
