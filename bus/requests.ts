/** Requests: questions over core NATS, each answered once. The desk (functions/ask.ts) declares its endpoints as data. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type Msg, type Service, type ServiceMsg } from 'nats'
import type { z } from 'zod'
import type { Cell } from './cell.ts'
import { consumerName } from './consumers.ts'
import { type Concern, decode, type EventKind, type Fact, MalformedFact } from './event.ts'
import type { TickData } from './events.ts'
import { MESSAGE_ID } from './exchange.ts'
import { findFact, store } from './facts.ts'
import { failureOf } from './failure.ts'
import { type Context, TICK } from './function.ts'
import { streamNames, tickSubject } from './streams.ts'
import { encodeTick } from './tick.ts'

export interface RequestContext<Tools> extends Pick<Context<Tools>, 'tools' | 'log' | 'run' | 'planned' | 'find'> {
  signal: AbortSignal
  /** Stores a tick and resolves, once `plan` has dealt with it, to what it said because of it. */
  tick(data: TickData): Promise<{ cause: string; facts: Fact[] }>
  publish(fact: Fact, cause: string): Promise<void>
}

/** One question: the last word of its subject, what it takes, and the answer. */
export interface Endpoint<Tools, Request = unknown> {
  name: string
  request: z.ZodType<Request>
  answer(request: Request, context: RequestContext<Tools>): Promise<unknown>
}

export interface RequestFunction<Tools> {
  name: string
  on: 'requests'
  emits: readonly EventKind[]
  reads?: readonly EventKind[]
  remembers?: readonly ('run' | 'planned')[]
  /** What `tick` listens to for its answer. */
  hears: readonly EventKind[]
  endpoints: readonly Endpoint<Tools>[]
}

/** How long a tick may wait for somebody who plans, ms. */
const PLAN_LIMIT = 15_000

/** Answers as the NATS service `holdfast`; any number of replicas share the questions. */
export async function answerRequests<Tools>(
  cell: Cell,
  desk: RequestFunction<Tools>,
  tools: () => Tools,
  version: string,
): Promise<Service> {
  const service = await cell.connection.services.add({
    name: 'holdfast',
    version,
    description: 'Holdfast: backups, asked for by request',
  })
  for (const endpoint of desk.endpoints) {
    const answer = (message: ServiceMsg | undefined) => message && respond(cell, desk, endpoint, tools(), message)
    service.addEndpoint(endpoint.name, {
      subject: `${cell.prefix}.${endpoint.name}`,
      handler: (error, message) => {
        if (error) cell.log.warn({ err: error, endpoint: endpoint.name }, 'a request did not arrive whole')
        else void answer(message)
      },
    })
  }
  await caughtUp(cell)
  return service
}

async function respond<Tools>(
  cell: Cell,
  desk: RequestFunction<Tools>,
  endpoint: Endpoint<Tools>,
  tools: Tools,
  message: ServiceMsg,
): Promise<void> {
  const log = cell.log.child({ step: desk.name, endpoint: endpoint.name })
  try {
    const answer = await endpoint.answer(readRequest(endpoint, message.data), contextOf(cell, desk, tools, log))
    message.respond(JSON.stringify(answer))
    log.info('answered')
  } catch (error) {
    log.warn({ err: error }, 'refused')
    const failure = failureOf(error)
    // In the body too: a client without headers would see an empty answer.
    message.respondError(
      failure.retryable ? 500 : 400,
      failure.message.slice(0, 400).replaceAll(/[\r\n]+/g, ' '),
      Buffer.from(JSON.stringify({ error: failure })),
    )
  }
}

class NotUnderstood extends Error {
  override name = 'NotUnderstood'
  readonly retryable = false
}

function readRequest<Tools>({ name, request }: Endpoint<Tools>, bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8')
  let value: unknown
  try {
    value = text.trim() === '' ? {} : JSON.parse(text)
  } catch (error) {
    throw new NotUnderstood(`${name}: the request is not JSON (${bytes.length} bytes)`, { cause: error })
  }
  const result = request.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new NotUnderstood(`${name}: ${issue?.path.map(String).join('.') || 'the request'}: ${issue?.message ?? 'invalid'}`)
}

function contextOf<Tools>(cell: Cell, desk: RequestFunction<Tools>, tools: Tools, log: Cell['log']): RequestContext<Tools> {
  return {
    tools,
    log,
    signal: new AbortController().signal,
    run: cell.run,
    planned: cell.planned,
    find: <Data extends Concern>(event: EventKind<Data>, concern: Concern) => findFact(cell, event, concern),
    tick: data => tickAndHear(cell, desk.hears, data),
    async publish(fact, cause) {
      await store(cell, fact, [fact.event], { speaker: desk.name, cause, time: new Date(), mayStill: () => {} })
    },
  }
}

/** Listens first, then stores the tick, then waits until its consumer has acknowledged it: by then everything was said. */
async function tickAndHear(cell: Cell, hears: readonly EventKind[], data: TickData): Promise<{ cause: string; facts: Fact[] }> {
  const heard: Fact[] = []
  const subscriptions = hears.map(event =>
    cell.connection.subscribe(`${cell.prefix}.${event.type}.>`, {
      callback: (_, message) => hear(cell, event, message, heard),
    }),
  )
  try {
    const id = randomUUID()
    const bytes = encodeTick(data, { prefix: cell.prefix, speaker: 'ask', id, time: new Date() })
    const named = headers()
    named.set(MESSAGE_ID, id)
    const { seq } = await cell.exchange.store(tickSubject(cell.prefix), bytes, named)
    const cause = `tick-${seq}`
    const mine = () => heard.filter(fact => 'cause' in fact.data && fact.data.cause === cause)
    await untilPlanned(cell, seq, () => mine().length >= (data.sources?.length ?? Number.POSITIVE_INFINITY))
    await caughtUp(cell)
    return { cause, facts: mine() }
  } finally {
    for (const subscription of subscriptions) subscription.unsubscribe()
  }
}

/** On our subjects may be anybody's garbage: it answers nobody. */
function hear({ prefix, log }: Cell, event: EventKind, { subject, data }: Msg, heard: Fact[]): void {
  try {
    heard.push({ event, data: decode(prefix, event, subject, data).data })
  } catch (error) {
    if (!(error instanceof MalformedFact)) throw error
    log.warn({ err: error, subject }, 'not a fact of ours')
  }
}

/** The server has what we sent, and we what it had sent by then. Not waited for across a cut, where flush may never settle. */
async function caughtUp({ connection }: Cell): Promise<void> {
  await Promise.race([connection.flush(), sleep(1000, undefined, { ref: false })])
}

async function untilPlanned(cell: Cell, sequence: number, heardAll: () => boolean): Promise<void> {
  const jsm = await cell.connection.jetstreamManager({ checkAPI: false })
  const until = Date.now() + PLAN_LIMIT
  for (let pause = 5; Date.now() < until; pause = Math.min(pause * 2, 250)) {
    if (heardAll()) return
    const { ack_floor } = await jsm.consumers.info(streamNames(cell.prefix).ticks, consumerName('plan', TICK))
    if (ack_floor.stream_seq >= sequence) return
    await sleep(pause)
  }
  throw new Error('the tick is stored, but nobody has planned by it yet: is a worker running that serves plan?')
}
