/** Brings what a guest wrote to its overlays back into its disks, running or not. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import { ask, askUnless, type Guest } from '../../tools/guest.ts'
import { commitImage } from '../../tools/qemu-img.ts'
import { refusedWith } from '../../tools/virsh.ts'
import { baseOf, isOverlayOf, redefineOn, type Standing, standings } from './overlay.ts'

export interface CommitWork {
  /** Milliseconds for each disk; then it goes on by itself, and the next try looks again. */
  limit: number
  signal: AbortSignal
  warn(message: string): void
}

/** Milliseconds between two looks at a commit. */
const LOOK = 250

/** The guest ended, or was started, since it was looked at. */
const turned = /domain is not running|Failed to get .* lock/

/** Commits every overlay of a backup that the domain stands on. A second call goes on where the first was killed. */
export async function commitOverlays(guest: Guest, id: string, work: CommitWork): Promise<void> {
  // A guest that ends in the middle is looked at again; it can hardly do so more often than this.
  for (let tries = 0; ; tries++) {
    const found = await standings(guest)
    try {
      for (const one of found.filter(({ active }) => active)) await commitRunning(guest, id, one, work)
      if (found.some(({ active }) => active)) await settleDefinition(guest, id)
      else for (const one of found) await commitClosed(guest, id, one, work)
      return
    } catch (error) {
      if (tries === 3 || !refusedWith(error, turned)) throw error
    }
  }
}

async function commitRunning(guest: Guest, id: string, { sources }: Standing, work: CommitWork): Promise<void> {
  for (const [target, path] of sources) {
    if (!isOverlayOf(path, id)) continue
    const { base } = await baseOf(guest, path)
    if ((await jobOf(guest, target)) === undefined) await ask(guest, 'blockcommit', `--path=${target}`, '--active', '--shallow')
    await pivot(guest, target, work)
    const after = (await standings(guest)).find(({ active }) => active)?.sources.get(target)
    if (after === base) continue
    throw new HoldfastError(`the commit of ${path} ended, but ${guest.domain} stands on ${after ?? 'nothing that is known'}`, {
      hint: `Nothing was deleted. See: virsh domblklist ${guest.domain}`,
    })
  }
}

/** Waits until the overlay's data is in the disk, then lets the guest write there again. */
async function pivot(guest: Guest, target: string, { limit, signal, warn }: CommitWork): Promise<void> {
  const start = Date.now()
  for (let said = false; ; await sleep(LOOK, undefined, { signal })) {
    const job = await jobOf(guest, target)
    if (!job || (job.done >= job.total && (await turn(guest, target)))) return
    const waited = Date.now() - start
    if (waited >= limit) throw unmerged(guest, target, job, limit)
    if (!said && waited >= limit / 4) warn(`${leftOf(guest, target, job)}; waiting for it since ${Math.round(waited / 1000)} s`)
    said ||= waited >= limit / 4
  }
}

/** False where the guest has written since: then there is more to commit. */
async function turn(guest: Guest, target: string): Promise<boolean> {
  const later = /not ready for pivot|not in block copy|no (current|active) block job|has no active block job/i
  return (await askUnless(guest, later, 'blockjob', `--path=${target}`, '--pivot')) !== undefined
}

function unmerged(guest: Guest, target: string, job: Job, limit: number): HoldfastError {
  return new HoldfastError(`${leftOf(guest, target, job)}, after ${Math.round(limit / 1000)} s`, {
    hint: `It goes on by itself and is looked at again. See: virsh blockjob ${guest.domain} ${target}. The overlay stays until then; delete nothing.`,
  })
}

function leftOf({ domain }: Guest, target: string, { done, total }: Job): string {
  return `the overlay of ${target} of ${domain} is not merged yet: ${Math.ceil((total - done) / 1024 / 1024)} MB are left, and the guest writes on`
}

interface Job {
  done: number
  total: number
}

/** The commit that runs; undefined where there is none. */
async function jobOf(guest: Guest, target: string): Promise<Job | undefined> {
  const text = await ask(guest, 'blockjob', `--path=${target}`, '--raw')
  const field = (name: string) => new RegExp(`^\\s*${name}=(.*)$`, 'm').exec(text)?.[1]
  const type = field('type')
  if (type === undefined) return undefined
  if (type === 'Active Block Commit') return { done: Number(field('cur')), total: Number(field('end')) }
  throw new HoldfastError(
    `${target} of ${guest.domain} is busy with somebody else's job (${type}), so its overlay is not merged yet`,
    {
      hint: `It is tried again. See: virsh blockjob ${guest.domain} ${target}`,
    },
  )
}

/** A guest that is off: nobody has its images open, and the lock that qemu-img takes keeps it from being started meanwhile. */
async function commitClosed(guest: Guest, id: string, { sources }: Standing, { signal }: CommitWork): Promise<void> {
  for (const path of sources.values()) {
    if (!isOverlayOf(path, id)) continue
    await commitImage(guest.host, path, signal)
    await redefineOn(guest, path)
  }
}

/** Where the running guest is back on its disks, its next start has to be too. */
async function settleDefinition(guest: Guest, id: string): Promise<void> {
  const stale = (await standings(guest)).filter(({ active }) => !active).flatMap(({ sources }) => [...sources.values()])
  for (const path of stale.filter(path => isOverlayOf(path, id))) await redefineOn(guest, path)
}
