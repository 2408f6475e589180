/** What an error says of itself, from whatever package it came: the bus reads fields, not classes. */
import { type Concern, type Fact, MAXIMUM_FACT_BYTES } from './event.ts'
import type { Failure } from './events.ts'
import { PartlyDone } from './function.ts'

/** Unknown errors are tried again; one that says `retryable: false` is not. */
export function isRetryable(error: unknown): boolean {
  return !(error instanceof Error && 'retryable' in error && error.retryable === false)
}

/** An error as a fact carries it. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), retryable: true }
  const hint = 'hint' in error && typeof error.hint === 'string' ? { hint: error.hint } : {}
  return { name: error.name, message: error.message.slice(0, 8192), ...hint, retryable: isRetryable(error) }
}

/** Milliseconds before try `attempt + 1`: 30 s, 2 min, 8 min … 1 h for an ack_wait of 30 s, ± 20 % so that failures spread out. */
export function retryDelay(attempt: number, ackWait: number): number {
  const delay = Math.min(ackWait * 4 ** (attempt - 1), ackWait * 120)
  return Math.round(delay * (0.8 + 0.4 * Math.random()))
}

/** Room for the envelope around it, bytes. */
const ENVELOPE = 4096

/**
 * The data of a `.failed`: what came, and the error. Where that is too large for a fact, the largest of what came is left out, one
 * field after the other: a failure that cannot be said would be tried for ever.
 */
export function failedData<Data extends Concern>(
  came: Data,
  error: unknown,
  attempts: number,
  cause: string,
): Concern & FailureData {
  const failure = failureOf(error)
  const kept = new Map(Object.entries(came))
  const build = (said: Failure) => ({ ...Object.fromEntries(kept), cause, error: said, attempts })
  const size = (value: unknown) => Buffer.byteLength(JSON.stringify(value) ?? '')
  if (size(build(failure)) <= MAXIMUM_FACT_BYTES - ENVELOPE) return build(failure)
  const short = {
    ...failure,
    message: failure.message.slice(0, 1024),
    ...(failure.hint ? { hint: failure.hint.slice(0, 1024) } : {}),
  }
  while (size(build(short)) > MAXIMUM_FACT_BYTES - ENVELOPE) {
    const [largest] = [...kept].filter(([key]) => !named.has(key)).toSorted(([, a], [, b]) => size(b) - size(a))
    if (!largest) break
    kept.delete(largest[0])
  }
  return build(short)
}

const named = new Set(['id', 'source', 'host', 'request'])

export interface FailureData {
  error: Failure
  attempts: number
  cause?: string
}

/** All facts of several pieces of one work. Where one fails, what the others have to say is said all the same. */
export async function together<F extends Fact>(works: readonly Promise<F[]>[]): Promise<F[]> {
  const results = await Promise.allSettled(works)
  const facts = results.flatMap(result => (result.status === 'fulfilled' ? result.value : []))
  const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
  if (errors.length === 0) return facts
  const failures = errors.map(failureOf)
  throw new PartlyDone(facts, {
    message: failures.map(({ message }) => message).join('; '),
    hint: failures.find(({ hint }) => hint)?.hint,
    retryable: errors.some(isRetryable),
    cause: errors[0],
  })
}

/** A message that kills its worker ends in `.failed`, not in a loop. */
export class WorkerDied extends Error {
  override name = 'WorkerDied'
  readonly retryable = false
  readonly hint = 'See the log of the worker for what ended it (out of memory, power, kill), then ask for the backup again.'
  constructor(step: string, times: number) {
    super(`${step}: the worker that handled this died or lost the bus ${times} times`)
  }
}
