/** Ends the members of a pipe before their time: out of time, told to, or doomed because one has failed. */
import { stop } from './child.ts'
import { failure, type Member } from './members.ts'

/** Once a member has failed, how long the others have to end by themselves. */
const GRACE = 1000
/** A longer one would go off at once. */
const LONGEST_TIMER = 2 ** 31 - 1

export interface Ender {
  /** Ends all at once; `finish` throws the error. */
  fail(error: unknown): void
  /** A member has failed: the others get a while to end by themselves, then they are ended. */
  doomed(): void
  /** To be called when all have ended. */
  finish(): void
}

/** Watches over running members from now until `finish`. */
export function watch(
  host: string,
  members: readonly Member[],
  { timeout, signal }: { timeout?: number | undefined; signal?: AbortSignal | undefined },
): Ender {
  let reason: { error: unknown } | undefined
  let stopping: { finish(): void } | undefined
  let grace: NodeJS.Timeout | undefined
  const running = () => members.filter(member => !member.ending)
  const end = () => {
    if (stopping) return
    for (const member of running()) member.stopped = true
    stopping = stop(running().map(({ child }) => child))
  }
  const fail = (error: unknown) => {
    reason ??= { error }
    end()
  }
  const abort = () => fail(signal?.reason)
  const late = () => {
    const [member] = running()
    if (member) fail(failure(host, member, true))
  }
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  const timer = timeout === undefined ? undefined : setTimeout(late, Math.min(timeout, LONGEST_TIMER))
  return {
    fail,
    doomed() {
      grace ??= setTimeout(end, GRACE)
    },
    finish() {
      clearTimeout(timer)
      clearTimeout(grace)
      signal?.removeEventListener('abort', abort)
      stopping?.finish()
      if (reason) throw reason.error
    },
  }
}
