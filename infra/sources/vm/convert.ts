/** Copies the closed disks of a guest that is off: one that must not run, or cannot. */
import { HoldfastError } from '../../errors.ts'
import { ask, type Guest, isActive, stateOf } from '../../tools/guest.ts'
import { imageChain } from '../../tools/qemu-img.ts'
import { type CopyWork, copyDisks } from './copying.ts'
import type { HeldDisk } from './held.ts'

/** The end of a guest that went off by itself, with its file systems unmounted. */
export const CLEAN = 'shutdown'

/** How a guest that is off ended, as far as libvirt remembers: `shutdown`, `destroyed`, `crashed`, `failed` to start, `unknown`. */
export async function endOf(guest: Guest): Promise<string> {
  return /\((.*)\)/.exec(await ask(guest, 'domstate', '--reason'))?.[1] ?? 'unknown'
}

/**
 * Copies them whole. Files are left unlocked, so that the guest can be started meanwhile: that is noticed, and the copy then is worth
 * nothing. Of a block device nobody can tell whether it was written, so that it stays locked while it is read.
 */
export async function collectClosed(guest: Guest, disks: readonly HeldDisk[], work: CopyWork): Promise<void> {
  const files: HeldDisk[] = []
  const devices: HeldDisk[] = []
  for (const disk of disks) ((await guest.host.stat(disk.source))?.type === 'file' ? files : devices).push(disk)
  const before = await imprint(guest, files)
  await copyDisks(work, files, { shared: true })
  await copyDisks(work, devices)
  if ((await imprint(guest, files)) !== before) throw started(guest)
}

/** When each image, and all that it builds on, was last written; equal ones mean that nobody wrote in between. */
async function imprint(guest: Guest, disks: readonly HeldDisk[]): Promise<string> {
  if (isActive(await stateOf(guest))) throw started(guest)
  const chains = await Promise.all(disks.map(({ source }) => imageChain(guest.host, source, { shared: true })))
  const paths = [...new Set(chains.flat().map(({ path }) => path))]
  if (!paths.length) return ''
  const { stdout } = await guest.host.run(['stat', '-L', '-c', '%n %s %.Y %i', '--', ...paths])
  return stdout
}

function started({ domain }: Guest): HoldfastError {
  return new HoldfastError(`${domain} was off when its backup began, and was started while its disks were copied`, {
    retryable: false,
    hint: 'Ask for the backup again: it is then captured while it runs.',
  })
}
