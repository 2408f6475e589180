/** Goes back to a snapshot inside a domain's own disks. What it did since cannot be brought back. */

import { describeDomain } from '../../tools/domain-xml.ts'
import { ask, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import type { Lifecycle, RestoreWork } from '../source.ts'
import { waitForAnswer } from './answer.ts'
import { noteBefore } from './before.ts'
import type { Details } from './details.ts'
import { dropBitmaps, dropCheckpoints } from './drop-checkpoints.ts'
import { guestOf } from './find-domain.ts'

export function backInside(work: RestoreWork<unknown>, details: Details, snapshot: string): Lifecycle {
  const guest = guestOf(work, details)
  return {
    async stop() {
      await noteBefore(work, guest)
    },
    async start(restored) {
      if (!restored) return { checks: [], proven: false }
      // Bitmaps are no part of a snapshot: they would miss what changes by going back.
      await dropCheckpoints(guest, work.source)
      if (!isActive(await stateOf(guest))) await dropBitmaps(guest, work.source)
      await ask(guest, 'snapshot-revert', `--snapshotname=${snapshot}`)
      if (!isActive(await stateOf(guest)))
        return { checks: [{ name: 'guest', result: 'it is back, and off as it was' }], proven: false }
      const { agent } = describeDomain(await xmlOf(guest, { inactive: true }))
      // There is no way back from going back: silence is told, and no failure.
      return await waitForAnswer(guest, { channel: agent, answered: false })
    },
  }
}
