/** A guest on the bus: asks the desk, listens to facts and progress, and reads what was said. It provisions and stores nothing. */
import { DeliverPolicy, type NatsConnection, NatsError, type OrderedConsumerOptions } from 'nats'
import { z } from 'zod'
import { type Concern, decode, type Envelope, type EventKind, MalformedFact } from './event.ts'
import { allEvents } from './events.ts'
import { exchangeOf } from './exchange.ts'
import { findFact } from './facts.ts'
import { streamNames } from './streams.ts'

/** The desk's no: what it said, as an error of ours. */
export class Refused extends Error {
  override name = 'Refused'
  readonly hint: string | undefined
  readonly retryable: boolean
  constructor({ message, hint, retryable }: { message: string; hint?: string | undefined; retryable: boolean }) {
    super(message)
    this.hint = hint
    this.retryable = retryable
  }
}

/** A stored fact as it was read. */
export interface SeenFact {
  event: EventKind
  data: Concern
  envelope: Envelope
  sequence: number
  /** Stored facts that come after it at the moment. */
  pending: number
}

/** How far a step has come, said about once a second and not stored. */
export const Advance = z.object({
  step: z.string(),
  host: z.string().optional(),
  source: z.string().optional(),
  id: z.string().optional(),
  bytes: z.number(),
  total: z.number().optional(),
  /** Since the step began. */
  ms: z.number(),
})
export type Advance = z.infer<typeof Advance>

export interface Visitor {
  /** Whether a worker answers requests. */
  served(): Promise<boolean>
  /** The desk's answer. Throws `Refused` where it says no, or where nobody answers. */
  ask<Answer>(endpoint: string, request: unknown, answer: z.ZodType<Answer>): Promise<Answer>
  /** Where the stream stands: what is said from now on begins there. */
  next(): Promise<number>
  /** Every stored fact from a sequence or moment on, then the new ones as they come, until the signal. */
  facts(from: number | Date, signal: AbortSignal): AsyncGenerator<SeenFact>
  /** How many facts `facts` would read before it has to wait. */
  count(from: number | Date): Promise<number>
  onAdvance(listener: (advance: Advance) => void): void
  find<Data extends Concern>(event: EventKind<Data>, concern: Required<Concern>): Promise<Data | undefined>
  /** The run or restore that holds a source. */
  holderOf(source: string): Promise<string | undefined>
  close(): Promise<void>
}

/** A request may have to wait for a plan: the desk gives up after 15 s. */
const ANSWER_LIMIT = 20_000

const Refusal = z.object({ error: z.object({ message: z.string(), hint: z.string().optional(), retryable: z.boolean() }) })

export function visit(connection: NatsConnection, prefix: string): Visitor {
  const js = connection.jetstream()
  const names = streamNames(prefix)
  const bus = { prefix, stream: names.facts, connection, exchange: exchangeOf(connection) }
  const open = (from: number | Date) => js.consumers.get(names.facts, startingAt(from))
  return {
    served: () => answers(connection),
    ask: (endpoint, request, answer) => ask(connection, `${prefix}.${endpoint}`, request, answer),
    async next() {
      const manager = await connection.jetstreamManager()
      return (await manager.streams.info(names.facts)).state.last_seq + 1
    },
    async *facts(from, signal) {
      const messages = await (await open(from)).consume()
      const leave = () => void messages.close()
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) leave()
      try {
        for await (const message of messages) {
          const seen = read(prefix, message.subject, message.data)
          if (seen) yield { ...seen, sequence: message.info.streamSequence, pending: message.info.pending }
        }
      } finally {
        signal.removeEventListener('abort', leave)
        await messages.close()
      }
    },
    count: async from => (await (await open(from)).info()).num_pending,
    onAdvance(listener) {
      connection.subscribe(`${prefix}.progress`, {
        callback: (_, message) => {
          const advance = Advance.safeParse(parsed(message.string()))
          if (advance.success) listener(advance.data)
        },
      })
    },
    find: (event, concern) => findFact(bus, event, concern),
    async holderOf(source) {
      const bucket = await js.views.kv(names.run, { bindOnly: true, allow_direct: true })
      const entry = await bucket.get(source)
      return entry?.operation === 'PUT' ? entry.string() : undefined
    },
    close: () => connection.close(),
  }
}

function startingAt(from: number | Date): Partial<OrderedConsumerOptions> {
  return from instanceof Date
    ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }
}

async function ask<Answer>(
  connection: NatsConnection,
  subject: string,
  request: unknown,
  answer: z.ZodType<Answer>,
): Promise<Answer> {
  const reply = await requested(connection, subject, JSON.stringify(request))
  const value = parsed(reply)
  const refusal = Refusal.safeParse(value)
  if (refusal.success) throw new Refused(refusal.data.error)
  return answer.parse(value)
}

async function requested(connection: NatsConnection, subject: string, body: string): Promise<string> {
  try {
    return (await connection.request(subject, body, { timeout: ANSWER_LIMIT })).string()
  } catch (error) {
    if (!(error instanceof NatsError)) throw error
    const message =
      error.code === '503' ? `nobody answers ${subject}: no Holdfast runs on this bus` : `${subject}: ${error.message}`
    throw new Refused({ message, hint: 'Start one: holdfast up', retryable: true })
  }
}

async function answers(connection: NatsConnection): Promise<boolean> {
  try {
    await connection.request('$SRV.PING.holdfast', undefined, { timeout: 2000 })
    return true
  } catch (error) {
    if (error instanceof NatsError && (error.code === '503' || error.code === 'TIMEOUT')) return false
    throw error
  }
}

/** Undefined for anybody's garbage on our subjects, and for facts of a newer Holdfast. */
function read(prefix: string, subject: string, bytes: Uint8Array): Pick<SeenFact, 'event' | 'data' | 'envelope'> | undefined {
  const type = subject
    .slice(prefix.length + 1)
    .split('.')
    .slice(0, 2)
    .join('.')
  const event = allEvents.find(known => known.type === type)
  try {
    return event && { event, ...decode(prefix, event, subject, bytes) }
  } catch (error) {
    if (error instanceof MalformedFact) return undefined
    throw error
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
