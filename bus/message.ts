/** One message in hand: its tries, its beats, its ways back. */
import type { Cell } from './cell.ts'
import type { Received } from './received.ts'

/** The message as the runner handles it. Once ownership is lost none of its ways back may be taken. */
export interface InHand {
  readonly message: Received
  /** Deliveries minus waits. */
  attempts(): Promise<number>
  /** Back to the stream for `delay` ms without counting as a try. */
  wait(delay: number): Promise<void>
  /** Back to the stream for `delay` ms: this try failed. */
  retry(delay: number): void
  done(): void
  stillWorking(): void
}

export function inHand(cell: Cell, message: Received): InHand {
  const key = `${message.consumer}.${message.sequence}`
  const waits = async () => Number((await cell.waits.get(key))?.value ?? 0)
  return {
    message,
    async attempts() {
      // A first delivery cannot have waited: most messages need no look.
      if (message.deliveries <= 1) return 1
      return message.deliveries - (await waits())
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
