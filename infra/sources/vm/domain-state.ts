/** What of a domain is neither disk nor memory: its XML, its UEFI variables, its TPM. Kept as they are at the moment. */
import { join } from 'node:path'
import { messageOf } from '../../errors.ts'
import { type Guest, isActive, xmlOf } from '../../tools/guest.ts'
import type { Work } from '../source.ts'
import type { Look } from './look.ts'
import type { Options } from './options.ts'

/** libvirt's place for the state of emulated TPMs, below it a directory for each UUID. */
const TPM = '/var/lib/libvirt/swtpm'

export const xmlName = (source: string) => `${source}.xml`
export const nvramName = (source: string) => `${source}_nvram.fd`
export const tpmSource = (uuid: string) => join(TPM, uuid)
export const tpmName = (source: string) => `${source}_tpm.tar.gz`

/** Puts copies into the stage; what of it cannot be reached is a warning. */
export async function keepState(work: Work<Options>, guest: Guest, { description, state }: Look, stage: string): Promise<void> {
  const { host, source, options, signal } = work
  // A domain that was never defined has no inactive XML, and one that is off has no other.
  const xml = await xmlOf(guest, { inactive: true, migratable: true, security: options.securityInfo })
  await host.write(join(stage, xmlName(source)), `${xml}\n`)
  const { nvram, tpm, uuid } = description
  if (nvram && (await host.stat(nvram))) await host.run(['cp', '--', nvram, join(stage, nvramName(source))], { signal })
  else if (nvram) work.warn(`the UEFI variables in ${nvram} cannot be read, so they are not in the backup`)
  if (tpm) await keepTpm(work, uuid, isActive(state), join(stage, tpmName(source)))
}

async function keepTpm({ host, warn, signal }: Work<Options>, uuid: string, active: boolean, to: string): Promise<void> {
  try {
    await host.run(['tar', '-czf', to, '-C', TPM, '--', uuid], { signal })
    if (active) warn('the state of its TPM was copied while it ran')
  } catch (error) {
    signal.throwIfAborted()
    await host.remove(to)
    warn(
      `the state of its TPM (${join(TPM, uuid)}) is not in the backup, and what the TPM sealed will not open: ${messageOf(error)}`,
    )
  }
}
