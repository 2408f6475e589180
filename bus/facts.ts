/** Stores facts and reads them back. Of a step's outcomes one is stored, whoever is faster. */
import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type MsgHdrs, type NatsConnection, NatsError } from 'nats'
import { type Concern, decode, type EventKind, encode, type Fact, isSettling, messageId, subjectOf } from './event.ts'
import { EXPECTED_SEQUENCE, type Exchange, MESSAGE_ID, type StoredAt } from './exchange.ts'
import { isOvertaken } from './overtaken.ts'

export interface FactStore {
  prefix: string
  stream: string
  connection: NatsConnection
  exchange: Exchange
}

export interface Spoken {
  speaker: string
  cause: string
  time: Date
  /** Called before each further try: rejects where we may not speak any more. */
  mayStill(): Promise<void> | void
}

export interface Stored {
  subject: string
  data: Uint8Array
}

const TRIES = 40

/**
 * Publishes until the stream has answered. Resolves to undefined when the fact is stored, and to the other outcome of the
 * step where that was stored first: `duplicate` or a refused sequence never mean "mine is stored".
 */
export async function store(
  bus: FactStore,
  fact: Fact,
  rivals: readonly EventKind[],
  spoken: Spoken,
): Promise<Stored | undefined> {
  const subject = subjectOf(bus.prefix, fact)
  const bytes = encode(fact, { prefix: bus.prefix, ...spoken })
  const conditions = headers()
  conditions.set(MESSAGE_ID, messageId(fact, spoken.cause))
  if (isSettling(fact)) conditions.set(EXPECTED_SEQUENCE, '0')
  for (let tries = 1; ; tries++) {
    if (tries > 1) await spoken.mayStill()
    const answer = await publishOnce(bus.exchange, subject, bytes, conditions)
    if (answer && !answer.duplicate) return undefined
    if (answer && !isSettling(fact)) return undefined
    const found = await firstStored(bus, rivals, fact.data)
    if (found) return found.subject === subject ? undefined : found
    if (tries === TRIES) throw new Error(`${subject}: the stream neither stores it nor holds another outcome`)
    await sleep(Math.min(50 * tries, 1000))
  }
}

/** The stored message of an event by its exact subject: 0.2 ms, whatever the stream holds. */
export async function readStored(bus: FactStore, event: EventKind, concern: Concern): Promise<Stored | undefined> {
  const subject = subjectOf(bus.prefix, { event, data: concern })
  // A direct get: the client's own call for it is not part of its public types.
  const answer = await bus.exchange.ask(`$JS.API.DIRECT.GET.${bus.stream}.${subject}`)
  if (answer.headers?.code === 404) return undefined
  if (answer.headers?.code)
    throw new Error(`${subject}: direct get answered ${answer.headers.code} ${answer.headers.description}`)
  return { subject, data: answer.data }
}

/** What a stored fact of a run says; undefined where it was not said. */
export async function findFact<Data extends Concern>(
  bus: FactStore,
  event: EventKind<Data>,
  concern: Concern,
): Promise<Data | undefined> {
  const stored = await readStored(bus, event, concern)
  return stored && decode(bus.prefix, event, stored.subject, stored.data).data
}

/** The first of these outcomes that is stored for this backup. */
export async function firstStored(bus: FactStore, outcomes: readonly EventKind[], concern: Concern): Promise<Stored | undefined> {
  const found = await Promise.all(outcomes.map(event => readStored(bus, event, concern)))
  return found.find(stored => stored !== undefined)
}

/** Undefined where the server gave no answer or refused the sequence: then what is stored has to be read. */
async function publishOnce(
  exchange: Exchange,
  subject: string,
  bytes: Uint8Array,
  conditions: MsgHdrs,
): Promise<StoredAt | undefined> {
  try {
    return await exchange.store(subject, bytes, conditions)
  } catch (error) {
    if (isOvertaken(error) || isPassing(error)) return undefined
    throw error
  }
}

/** No answer, no responders, connection away: the same publish with the same id is right a moment later. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof NatsError && ['TIMEOUT', '503', 'DISCONNECT', 'CONNECTION_REFUSED', 'REQUEST_ERROR'].includes(error.code)
  )
}
