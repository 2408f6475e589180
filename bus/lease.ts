/**
 * The lease on a piece of work: proof that this worker, and nobody else, may still speak for it.
 * A renewal proves ownership from the moment it was *sent*; what happened to its answer is not known otherwise. A cut link
 * tells nothing for a long time, so the holder keeps its own clock and stops before the server lets somebody else in.
 */
import { performance } from 'node:perf_hooks'
import type { Bucket } from './bucket.ts'
import { isOvertaken } from './overtaken.ts'

export interface LeaseTimes {
  /** The bucket's time limit, ms: without a renewal the lease is free after it. */
  ttl: number
  /** Owned for this long after the last successful renewal was sent, ms. Well under `ttl`. */
  owned: number
}

/** 30 s of ack_wait make a lease of 45 s that its holder trusts for 35 s. */
export function leaseTimes(ackWait: number): LeaseTimes {
  return { ttl: ackWait * 1.5, owned: ackWait * 1.5 - ackWait / 3 }
}

/** The reason of the abort when ownership cannot be proven any more. After it nothing is sent. */
export class OwnershipLost extends Error {
  override name = 'OwnershipLost'
}

export interface Lease {
  /** The fence: strictly growing over all holders of this key. */
  readonly fence: number
  readonly signal: AbortSignal
  /** True where a renewal failed since the last call to `settleDoubt`. */
  readonly doubtful: boolean
  /** Never rejects for a failed renewal; false where ownership was not proven this time. */
  renew(): Promise<boolean>
  /** Resolves right after a successful renewal, or at once where the last one is fresh; rejects with OwnershipLost. */
  prove(): Promise<void>
  /** A second call does nothing. */
  release(): Promise<void>
}

/** A renewal sent within this time, ms, with none failed since, is as good as one sent now: both only bound when the next message may arrive. */
const FRESH = 1000

/** Undefined where somebody holds it. */
export async function acquireLease(
  bucket: Bucket,
  key: string,
  holder: string,
  { owned }: LeaseTimes,
): Promise<Lease | undefined> {
  const sent = performance.now()
  const revision = await bucket.create(key, holder)
  return revision === undefined ? undefined : hold(bucket, key, holder, revision, sent, owned)
}

function hold(bucket: Bucket, key: string, holder: string, first: number, firstSent: number, owned: number): Lease {
  const lost = new AbortController()
  let revision = first
  let proven = firstSent
  let doubtful = false
  let renewing: Promise<boolean> | undefined
  let released = false
  let deadline = setTimeout(check, owned)

  function lose(why: string): void {
    clearTimeout(deadline)
    if (!lost.signal.aborted) lost.abort(new OwnershipLost(`${key}: ${why}`))
  }
  function check(): void {
    const left = proven + owned - performance.now()
    if (left <= 0) lose('no renewal succeeded in time')
    else deadline = setTimeout(check, left)
  }
  async function renewOnce(): Promise<boolean> {
    if (lost.signal.aborted) return false
    const sent = performance.now()
    try {
      revision = await bucket.update(key, holder, revision)
      proven = sent
      return true
    } catch (error) {
      doubtful = true
      if (isOvertaken(error)) lose('somebody else holds it')
      return false
    }
  }
  const renew = (): Promise<boolean> => {
    const next = renewing ? renewing.then(renewOnce) : renewOnce()
    renewing = next
    void next.finally(() => {
      if (renewing === next) renewing = undefined
    })
    return next
  }
  return {
    fence: first,
    signal: lost.signal,
    get doubtful() {
      return doubtful
    },
    renew,
    async prove() {
      lost.signal.throwIfAborted()
      if (!doubtful && performance.now() - proven < FRESH) return
      while (!(await renew())) {
        lost.signal.throwIfAborted()
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      lost.signal.throwIfAborted()
    },
    async release() {
      if (released) return
      released = true
      clearTimeout(deadline)
      // Awaited only where there is one: what ends a message goes out together.
      if (renewing) await renewing
      if (!lost.signal.aborted) bucket.abandon(key, revision)
    },
  }
}
