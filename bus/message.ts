/** One message in hand: its tries, its beats, its ways back. */
import type { JsMsg } from 'nats'
import type { Cell } from './cell.ts'

/** The message as the runner handles it. Once ownership is lost none of its ways back may be taken. */
export interface InHand {
  readonly message: JsMsg
  readonly sequence: number
  readonly time: Date
  /** Deliveries minus waits. */
  attempts(): Promise<number>
  /** Back to the stream for `delay` ms without counting as a try. */
  wait(delay: number): Promise<void>
  /** Back to the stream for `delay` ms: this try failed. */
  retry(delay: number): void
  done(): void
  stillWorking(): void
}

export function inHand(cell: Cell, message: JsMsg): InHand {
  const key = `${message.info.consumer}.${message.seq}`
  const waits = async () => Number((await cell.waits.get(key))?.value ?? 0)
  return {
    message,
    sequence: message.seq,
    time: new Date(Math.floor(message.info.timestampNanos / 1e6)),
    async attempts() {
      // A first delivery cannot have waited: most messages need no look.
      if (message.info.deliveryCount <= 1) return 1
      return message.info.deliveryCount - (await waits())
    },
    async wait(delay) {
      await cell.waits.put(key, String((await waits()) + 1))
      message.nak(delay)
    },
    retry: delay => message.nak(delay),
    done: () => message.ack(),
    stillWorking: () => message.working(),
  }
}
