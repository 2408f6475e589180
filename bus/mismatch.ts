/** What the server keeps against what was asked of it. */
import { NatsError } from 'nats'

/** The server keeps something of that name that is not what was asked for, and cannot be made so. */
export class BusMismatch extends Error {
  override name = 'BusMismatch'
  readonly retryable = false
  readonly hint: string

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.hint = hint
  }
}

/** An answer of JetStream's own that trying again cannot change; undefined where it did not answer, or was not able to yet. */
export function refusalOf(error: unknown): { code: number; message: string } | undefined {
  const refusal = error instanceof NatsError ? error.api_error : undefined
  return refusal?.err_code !== undefined && refusal.code !== 503
    ? { code: refusal.err_code, message: refusal.description }
    : undefined
}

/** What is not as wanted, in words. What the server leaves out is zero or false. */
export function differences(found: object, wanted: object): string[] {
  const has = new Map(Object.entries(found))
  return Object.entries(wanted)
    .filter(([key, value]) => JSON.stringify(has.get(key) || 0) !== JSON.stringify(value || 0))
    .map(([key, value]) => `${key} is ${JSON.stringify(has.get(key))}, not ${JSON.stringify(value)}`)
}
