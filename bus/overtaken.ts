/** The server's refusal of a write because somebody else wrote first. */
import { NatsError } from 'nats'

const WRONG_LAST_SEQUENCE = 10071

export function isOvertaken(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE
}
