/** A message as a consumer delivers it. */
import { type Msg, nanos } from 'nats'
import type { Outbox } from './outbox.ts'

export interface Received {
  readonly subject: string
  readonly data: Uint8Array
  /** Its place in the stream. */
  readonly sequence: number
  /** When the stream took it. */
  readonly time: Date
  readonly consumer: string
  /** 1 for the first time. */
  readonly deliveries: number
  /** Messages that wait behind it. */
  readonly pending: number
  ack(): void
  /** Back to the stream; it comes again after `delay` ms. */
  nak(delay: number): void
  /** Ours for another `ack_wait`. */
  working(): void
}

/**
 * Reads the reply subject `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<…>.<nanoseconds>.<pending>`; servers with domains put two
 * tokens in front of the stream, and one behind.
 */
export function receivedFrom(message: Msg, outbox: Outbox): Received {
  const answer = (text: string) => outbox.send(message.reply ?? '', text)
  const tokens = message.reply?.split('.') ?? []
  const [, consumer = '', deliveries, sequence, , time, pending] = tokens.slice(tokens.length > 9 ? 4 : 2)
  return {
    subject: message.subject,
    data: message.data,
    sequence: Number(sequence),
    time: new Date(Math.floor(Number(time) / 1e6)),
    consumer,
    deliveries: Number(deliveries),
    pending: Number(pending),
    ack: () => answer('+ACK'),
    nak: delay => answer(`-NAK ${JSON.stringify({ delay: nanos(delay) })}`),
    working: () => answer('+WPI'),
  }
}
