/**
 * What is said in one turn of the event loop goes to the server in one piece. The client writes to its socket once for every message,
 * and for a chain at work that is a fifteenth of its time, and more of the server's.
 */
import { ErrorCode, type NatsConnection, NatsError, type PublishOptions } from 'nats'

export interface Outbox {
  /** `failed` hears why a message could not be sent: the connection was closed meanwhile, or the server takes none so large. */
  send(subject: string, data?: Uint8Array | string, options?: PublishOptions, failed?: (error: unknown) => void): void
  /** Sends at once what waits. */
  flush(): void
}

interface Waiting {
  subject: string
  data: Uint8Array | string | undefined
  options: PublishOptions | undefined
  failed: ((error: unknown) => void) | undefined
}

const outboxes = new WeakMap<NatsConnection, Outbox>()

/** The one outbox of a connection. */
export function outboxOf(connection: NatsConnection): Outbox {
  const open = outboxes.get(connection) ?? openOutbox(connection)
  outboxes.set(connection, open)
  return open
}

function openOutbox(connection: NatsConnection): Outbox {
  let waiting: Waiting[] = []
  const flush = () => {
    const all = waiting
    waiting = []
    for (const message of all) publish(connection, message)
  }
  return {
    send(subject, data, options, failed) {
      if (waiting.length === 0) setImmediate(flush)
      waiting.push({ subject, data, options, failed })
    },
    flush,
  }
}

/** Who did not ask to hear of it has said its last word anyway: what was not acknowledged is delivered again. */
function publish(connection: NatsConnection, { subject, data, options, failed }: Waiting): void {
  try {
    if (!connection.isClosed()) connection.publish(subject, data, options)
    else failed?.(new NatsError(`${subject}: the connection is closed`, ErrorCode.ConnectionClosed))
  } catch (error) {
    if (!failed) throw error
    failed(error)
  }
}
