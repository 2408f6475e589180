/** What an error says of itself, from whatever package it came: the bus reads fields, not classes. */
import type { Fact } from './event.ts'
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
