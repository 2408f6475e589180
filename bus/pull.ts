/**
 * Takes one message at a time from a consumer, over one lasting subscription. The client's own `next()` makes a subscription, three
 * iterators and a dozen promises for every message.
 */
import { ErrorCode, Events, type Msg, type MsgHdrs, type NatsConnection, NatsError, nanos } from 'nats'
import { newInbox } from './connect.ts'
import { outboxOf } from './outbox.ts'
import { type Received, receivedFrom } from './received.ts'

export interface Puller {
  /** Undefined where none came in time or the line was cut meanwhile. Rejects where the consumer cannot be asked. One call at a time. */
  next(): Promise<Received | undefined>
  close(): void
}

export interface PullOptions {
  stream: string
  consumer: string
  /** How long the server lets one question wait, ms. */
  expires: number
}

/** What the server's answer may be late, ms, before it counts as lost. */
const LATE = 2000

export function openPuller(connection: NatsConnection, { stream, consumer, expires }: PullOptions): Puller {
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`
  const outbox = outboxOf(connection)
  const question = JSON.stringify({ batch: 1, expires: nanos(expires) })
  let waiting: { resolve(message?: Received): void; reject(error: unknown): void; timer: NodeJS.Timeout } | undefined
  /** Questions in a row without any answer. */
  let unheard = 0
  let line = openLine()

  function openLine() {
    const inbox = newInbox(connection)
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => line.inbox === inbox && take(error, message),
    })
    return { inbox, subscription }
  }
  function settled() {
    const found = waiting
    waiting = undefined
    clearTimeout(found?.timer)
    return found
  }
  function take(error: NatsError | null, message: Msg): void {
    unheard = 0
    if (error) settled()?.reject(error)
    else if (message.subject !== line.inbox) settled()?.resolve(receivedFrom(message, outbox))
    else takeStatus(message.headers)
  }
  // Of answers alone: reading the headers of a message costs as much as all the rest of taking it.
  function takeStatus({ code, description }: Partial<Pick<MsgHdrs, 'code' | 'description'>> = {}): void {
    if (code === NO_MESSAGES || code === TIMEOUT) settled()?.resolve()
    else if (code !== IDLE) settled()?.reject(new NatsError(`${consumer}: ${description}`, String(code)))
  }
  // The server may still hold the old question: its answer must not come to who asks a new one.
  function renew(): void {
    if (connection.isClosed()) return
    line.subscription.unsubscribe()
    line = openLine()
  }
  function unanswered(): void {
    renew()
    unheard++
    // One may get lost: nats-server 2.9 forgets some that end in the moment in which a message comes.
    if (unheard === 1) settled()?.resolve()
    else settled()?.reject(new NatsError(`${consumer}: no answer, so it may be gone`, ErrorCode.Timeout))
  }
  const forget = onReconnect(connection, () => {
    renew()
    settled()?.resolve()
  })
  return {
    next: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject, timer: setTimeout(unanswered, expires + LATE) }
        outbox.send(subject, question, { reply: line.inbox }, error => settled()?.reject(error))
      }),
    close() {
      forget()
      line.subscription.unsubscribe()
      settled()?.resolve()
    },
  }
}

/** Status of an answer without a message. Source: the JetStream wire protocol. */
const [IDLE, NO_MESSAGES, TIMEOUT] = [100, 404, 408]

const listeners = new WeakMap<NatsConnection, Set<() => void>>()

/** Calls back after each reconnection, and when the connection is closed; returns how to end that. */
function onReconnect(connection: NatsConnection, act: () => void): () => void {
  const acts = listeners.get(connection) ?? listen(connection)
  acts.add(act)
  return () => acts.delete(act)
}

/** One for all pullers of a connection: there are hundreds of them. */
function listen(connection: NatsConnection): Set<() => void> {
  const acts = new Set<() => void>()
  const actAll = () => {
    for (const act of [...acts]) act()
  }
  listeners.set(connection, acts)
  void (async () => {
    for await (const { type } of connection.status()) if (type === Events.Reconnect) actAll()
  })()
  void connection.closed().then(actAll)
  return acts
}
