/** Whether a domain starts with its host: libvirt keeps that beside the definition, and forgets it with the domain. */
import { ask, type Guest } from '../../tools/guest.ts'
import type { Before } from './before.ts'
import type { Details } from './details.ts'

/** One that was gone does so again where it did; one that is there keeps what it has. A second time changes nothing. */
export async function startsWithHost(guest: Guest, { autostart }: Details, before: Pick<Before, 'xml'>): Promise<void> {
  if (autostart && before.xml === null) await ask(guest, 'autostart')
}
