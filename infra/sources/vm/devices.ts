/** Disks that are block devices: nothing can lie beside one, so nothing on it can be moved aside and put back. */
import { InvalidInput } from '../../errors.ts'
import type { RestoreWork } from '../source.ts'
import type { Image } from './details.ts'
import { detailsOf, goalOf, originalsOf } from './goal.ts'
import { quoted } from './quoting.ts'
import { placeOf } from './restore.ts'

/** Throws where a restore would write over a block device, before anything is read. */
export async function refuseDevices(work: RestoreWork<unknown>): Promise<void> {
  const goal = goalOf(work)
  const details = detailsOf(work)
  const places =
    goal.what === 'whole'
      ? originalsOf(details.images)
      : goal.what === 'disk' && goal.path === undefined
        ? [await placeOf(work, details, goal.image, undefined)]
        : []
  for (const { image, path } of places) {
    const there = await work.host.stat(path)
    if (there ? there.type === 'file' : !image.device) continue
    throw new InvalidInput(
      `${image.target} of ${details.domain} is the block device ${path}: what is on it cannot be moved aside`,
      {
        hint: `Restore it beside the original with --to NAME, as files; or by hand, as RESTORE.md says: with ${details.domain} off, ${overwrite({ ...image, source: quoted(path) })}`,
      },
    )
  }
}

/** The command that writes an image over the device it came from. Raw: what is there already is only filled. */
export function overwrite({ artifact, format, source, sourceFormat }: Image): string {
  return `qemu-img convert ${sourceFormat === 'raw' ? '-n ' : ''}-f ${format} -O ${sourceFormat} ${artifact} ${source}`
}
