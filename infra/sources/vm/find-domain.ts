/** The domain that a restore is about, as the backup and the configuration name it. */
import { z } from 'zod'
import { askUnless, type Guest } from '../../tools/guest.ts'
import { virshUnless } from '../../tools/virsh.ts'
import type { RestoreWork } from '../source.ts'
import type { Details } from './details.ts'

/** A restore may know no configuration: then `options` is what the manifest says. */
const Place = z.object({ uri: z.string().optional(), shutdownLimit: z.number().optional() })

/** The backup's own domain, or another one beside it. */
export function guestOf(
  { host, options, signal }: Pick<RestoreWork<unknown>, 'host' | 'options' | 'signal'>,
  details: Details,
  name = details.domain,
): Guest {
  return { host, uri: Place.parse(options).uri ?? details.uri, domain: name, signal }
}

/** Milliseconds that a guest gets to shut down by itself before it is switched off: what is on its disks is being replaced. */
export function patienceOf({ options }: Pick<RestoreWork<unknown>, 'options'>): number {
  return Math.min(Place.parse(options).shutdownLimit ?? LONGEST, LONGEST)
}

const LONGEST = 60_000
const NONE = /failed to get domain|Domain not found/

/** Undefined where libvirt knows none of that name. */
export async function existing(guest: Guest, snapshot?: string): Promise<{ uuid: string; snapshot: boolean } | undefined> {
  const uuid = await askUnless(guest, NONE, 'domuuid')
  if (uuid === undefined) return undefined
  const found =
    snapshot && (await askUnless(guest, /no domain snapshot with matching name/, 'snapshot-info', `--snapshotname=${snapshot}`))
  return { uuid, snapshot: Boolean(found) }
}

/** What a domain is called; undefined where there is none with that UUID. */
export async function nameOfUuid(guest: Guest, uuid: string): Promise<string | undefined> {
  return await virshUnless(guest, NONE, ['domname', `--domain=${uuid}`])
}
