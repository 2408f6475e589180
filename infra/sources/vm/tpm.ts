/** The state of an emulated TPM: a directory that belongs to swtpm's own user, below one that every user may pass. */
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { DomainDescription } from '../../tools/domain-xml.ts'
import type { Work } from '../source.ts'

/** libvirt's place for them, below it a directory for each UUID. */
const STORE = '/var/lib/libvirt/swtpm'

/** What tar ends with where something was replaced while it read. */
const CHANGED = 1

export const tpmName = (source: string) => `${source}_tpm.tar.gz`

/** Where the domain's lies: where its XML says, or in libvirt's own place. */
export function tpmSource({ uuid, tpmStore }: Pick<DomainDescription, 'uuid' | 'tpmStore'>): string {
  return tpmStore ?? join(STORE, uuid)
}

/** Puts a copy there; a warning where it cannot be had. swtpm replaces its file whole, so one that runs is copied as well as one that does not. */
export async function keepTpm({ host, warn, signal }: Work<unknown>, from: string, to: string): Promise<void> {
  const lacking = (why: string) =>
    warn(`the state of its TPM (${from}) is not in the backup, and what the TPM sealed will not open: ${why}`)
  try {
    // What a try that was killed left.
    await host.remove(to)
    const found = await host.stat(from)
    if (!found) return lacking('there is none: libvirt makes it at the first start')
    if (found.type !== 'directory') return lacking('it is no directory, and only directories are kept')
    await pack({ host, signal }, from, to)
  } catch (error) {
    signal.throwIfAborted()
    await host.remove(to)
    lacking(messageOf(error))
  }
}

/** Named after itself in the archive, so that it can be unpacked by hand where it was. */
async function pack({ host, signal }: { host: Host; signal: AbortSignal }, from: string, to: string): Promise<void> {
  const argv = ['tar', '-czf', to, '-C', dirname(from), '--', basename(from)] as const
  for (let tries = 0; tries < 4; tries++)
    if ((await host.run(argv, { signal, okCodes: [0, CHANGED] })).exitCode !== CHANGED) return
  await host.run(argv, { signal })
}

/** What tar is told besides, to put it into a directory of any name with the owners and modes that all of it had. */
export const UNPACKING = ['--transform=s,^[^/]*,.,', '--same-owner']

/** On a host that never had a TPM: as libvirt makes it, since swtpm has to pass. */
export async function makeStore(host: Host, target: string): Promise<void> {
  const store = dirname(target)
  if (!(await host.stat(store))) await host.run(['install', '-d', '-m', '0711', '--', store])
}
