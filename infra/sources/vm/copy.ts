/** A restored copy beside the original: defined with names of its own, and left off, for both would claim the same place in the network. */
import type { Lifecycle, RestoreWork } from '../source.ts'
import { define, undefine, xmlOfBackup } from './define.ts'
import type { Details } from './details.ts'
import { existing, guestOf } from './find-domain.ts'
import { copiesOf } from './goal.ts'
import { type Renamed, rename } from './rename.ts'
import { seedOf, stateOfCopy } from './restore.ts'

type Work = RestoreWork<unknown>

export function copyOf(work: Work, details: Details, name: string): Lifecycle {
  const guest = guestOf(work, details, name)
  return {
    stop: async () => undefined,
    async start(restored) {
      const { xml, uuid, leftOut } = await renamed(work, details, name)
      if (!restored) {
        if ((await existing(guest))?.uuid === uuid) await undefine(guest)
        return { checks: [], proven: false }
      }
      await define(work, guest, xml)
      if (leftOut.length) work.warn(`${name} has no ${leftOut.join(', ')}: not in the backup, and ${details.domain} uses them`)
      const result = `${name} is defined, with a UUID and network addresses of its own, and off: virsh start ${name}`
      return { checks: [{ name: 'copy', result }], proven: false }
    },
  }
}

/** The XML of the copy. */
export async function renamed(work: Work, details: Details, name: string): Promise<Renamed> {
  const disks = copiesOf(details.images, name).map(({ image, path, format }) => ({ target: image.target, path, format }))
  const state = stateOfCopy(work, details, name)
  return rename(await xmlOfBackup(work, details), { name, seed: seedOf(work, name), disks, ...state })
}
