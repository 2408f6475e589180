/** What of a domain is neither disk nor memory: its XML, its UEFI variables, its TPM. Kept as they are at the moment. */
import { join } from 'node:path'
import { describeDomain } from '../../tools/domain-xml.ts'
import { type Guest, xmlOf } from '../../tools/guest.ts'
import type { Work } from '../source.ts'
import type { Options } from './options.ts'
import { keepTpm, tpmName, tpmSource } from './tpm.ts'

export const xmlName = (source: string) => `${source}.xml`
/** The same for disks that were restored: each stands alone, in the clear. */
export const restorableName = (source: string) => `${source}_restore.xml`
export const nvramName = (source: string) => `${source}_nvram.fd`

/** Puts copies into the stage; what of it cannot be reached is a warning. */
export async function keepState(work: Work<Options>, guest: Guest, stage: string): Promise<void> {
  const { host, source, options, signal } = work
  // A domain that was never defined has no inactive XML, and one that is off has no other.
  const xml = await xmlOf(guest, { inactive: true, migratable: true, security: options.securityInfo })
  await host.write(join(stage, xmlName(source)), `${xml}\n`)
  const description = describeDomain(xml)
  const { nvram, tpm } = description
  if (nvram && (await host.stat(nvram))) await host.run(['cp', '--', nvram, join(stage, nvramName(source))], { signal })
  else if (nvram) work.warn(`the UEFI variables in ${nvram} cannot be read, so they are not in the backup`)
  if (tpm) await keepTpm(work, tpmSource(description), join(stage, tpmName(source)))
}
