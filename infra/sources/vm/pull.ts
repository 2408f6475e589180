/** Brings what a disk's image has below it into the image itself, while the guest works on it or is off. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import { child, children, diskElements, domainText, parseDomain, rootOf } from '../../tools/domain-xml.ts'
import { askUnless, type Guest, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import { imageChain, standAlone } from '../../tools/qemu-img.ts'
import type { Progress } from '../source.ts'

export interface PulledDisk {
  target: string
  path: string
}

const LOOK_EVERY = 500
/** A job that ends without having done its work has met an error, such as a full disk. */
const BEGINNINGS = 3
const STOPPED = /domain is not running|no domain|not active/
const BUSY = /already in use|active block job|already has a block job/

/** Resolves once the image stands alone. An abort leaves the job to QEMU, and a second call finds it there. */
export async function pullDisk(guest: Guest, { target, path }: PulledDisk, progress: (now: Progress) => void): Promise<void> {
  const { host, signal } = guest
  for (let begun = 0; ; ) {
    signal?.throwIfAborted()
    const job = await jobOf(guest, target)
    if (job) progress(job)
    else if ((await imageChain(host, path, { shared: true })).length === 1) return
    else if (!isActive(await stateOf(guest))) await standAlone(host, path, signal)
    else if (begun++ < BEGINNINGS)
      await askUnless(guest, new RegExp(`${STOPPED.source}|${BUSY.source}`), 'blockpull', `--path=${target}`)
    else
      throw new HoldfastError(`QEMU stops pulling ${target} of ${guest.domain} into place before its end`, {
        hint: `It runs on from the backup. See whether there is room for ${path}, then ask for the same again.`,
      })
    await sleep(LOOK_EVERY, undefined, signal ? { signal } : {})
  }
}

/** Bytes of the job that runs on a disk; undefined where none does. */
async function jobOf(guest: Guest, target: string): Promise<Progress | undefined> {
  const text = (await askUnless(guest, STOPPED, 'blockjob', `--path=${target}`, '--info', '--raw')) ?? ''
  const [bytes, total] = [/\bcur=(\d+)/.exec(text)?.[1], /\bend=(\d+)/.exec(text)?.[1]]
  return bytes === undefined ? undefined : { bytes: Number(bytes), ...(total && { total: Number(total) }) }
}

/** The definition without what these disks stood on; undefined where it says nothing of that. */
export async function forgetBacking(guest: Guest, disks: readonly PulledDisk[]): Promise<string | undefined> {
  const document = parseDomain(await xmlOf(guest, { inactive: true, security: true }))
  let changed = false
  for (const element of diskElements(rootOf(document))) {
    if (!disks.some(({ target }) => target === child(element, 'target')?.getAttribute('dev'))) continue
    for (const backing of children(element, 'backingStore')) {
      changed ||= child(backing, 'source') !== undefined
      element.removeChild(backing)
    }
  }
  return changed ? domainText(document) : undefined
}
