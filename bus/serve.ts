/** Runs functions: one pull loop per free slot of each function, subject and host; drains on stop. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamManager } from 'nats'
import type { Cell } from './cell.ts'
import { consumerName, ensureConsumer } from './consumers.ts'
import { deliver } from './deliver.ts'
import { type EventKind, filterOf } from './event.ts'
import { type AnyFunction, TICK } from './function.ts'
import { inHand } from './message.ts'
import { outboxOf } from './outbox.ts'
import { openPuller } from './pull.ts'
import type { Received } from './received.ts'
import { openSlots, type Slots } from './slots.ts'
import { streamNames, tickSubject } from './streams.ts'

export interface ServeOptions<Tools> {
  cell: Cell
  functions: readonly AnyFunction<Tools>[]
  /** Hosts to serve, and how many runs of one step at once on each. */
  hosts: Record<string, { concurrency: number }>
  /** Asked for each message, so that a reload takes effect with the next one. */
  tools: () => Tools
}

export interface Serving {
  /** Begins with hosts that are new. */
  serveHosts(hosts: ServeOptions<unknown>['hosts']): Promise<void>
  /** Takes nothing new, lets running handlers finish for `times.drain` ms, then gives back what they hold. */
  stop(): Promise<void>
}

/** One consumer's work. */
interface Post<Tools> {
  fn: AnyFunction<Tools>
  event: EventKind | undefined
  stream: string
  name: string
  filter: string
  slots: Slots
  size: number
}

/** Waiting pulls end after this long, ms, and are made anew. */
const PULL = 30_000

export async function serve<Tools>(options: ServeOptions<Tools>): Promise<Serving> {
  const { cell } = options
  const jsm = await cell.connection.jetstreamManager({ checkAPI: false })
  const stopping = new AbortController()
  const leaving = new AbortController()
  const slots: Slots[] = []
  const served = new Set<string>()

  const start = async (posts: Post<Tools>[]) => {
    slots.push(...new Set(posts.map(post => post.slots)))
    await Promise.all(posts.map(post => ensure(jsm, cell, post)))
    for (const post of posts)
      for (let slot = 0; slot < post.size; slot++) void loop(options, post, jsm, stopping.signal, leaving.signal)
  }
  const serveHosts: Serving['serveHosts'] = async hosts => {
    const fresh = Object.entries(hosts).filter(([host]) => !served.has(host))
    await start(fresh.flatMap(([host, { concurrency }]) => hostPosts(options, host, concurrency)))
    for (const [host] of fresh) served.add(host)
  }
  await start(tickPosts(options))
  await serveHosts(options.hosts)
  return {
    serveHosts,
    async stop() {
      stopping.abort()
      const idle = Promise.all(slots.map(slot => slot.idle()))
      await Promise.race([idle, sleep(cell.times.drain, undefined, { ref: false })])
      leaving.abort(new Error('the worker is leaving'))
      await idle
      outboxOf(cell.connection).flush()
    },
  }
}

function hostPosts<Tools>({ cell, functions }: ServeOptions<Tools>, host: string, concurrency: number): Post<Tools>[] {
  return functions.flatMap(fn => {
    if (fn.on === TICK) return []
    const size = fn.concurrency ?? concurrency
    const slots = openSlots(size)
    return fn.on.map(event => {
      const name = consumerName(fn.name, event.type, host)
      return { fn, event, stream: cell.stream, name, filter: filterOf(cell.prefix, event, host), slots, size }
    })
  })
}

function tickPosts<Tools>({ cell, functions }: ServeOptions<Tools>): Post<Tools>[] {
  return functions
    .filter(fn => fn.on === TICK)
    .map(fn => {
      const filter = tickSubject(cell.prefix)
      const name = consumerName(fn.name, TICK)
      return { fn, event: undefined, stream: streamNames(cell.prefix).ticks, name, filter, slots: openSlots(1), size: 1 }
    })
}

function ensure<Tools>(jsm: JetStreamManager, cell: Cell, { stream, name, filter }: Post<Tools>) {
  return ensureConsumer(jsm, stream, { name, filter, ackWait: cell.times.ackWait })
}

/** One message at a time: with long handlers whoever takes more than it can work on has them grow old. */
async function loop<Tools>(
  options: ServeOptions<Tools>,
  post: Post<Tools>,
  jsm: JetStreamManager,
  stopping: AbortSignal,
  leaving: AbortSignal,
) {
  const { cell } = options
  const puller = openPuller(cell.connection, { stream: post.stream, consumer: post.name, expires: PULL })
  while (!stopping.aborted) {
    try {
      await post.slots.room()
      const message = await puller.next()
      if (!message) continue
      if (stopping.aborted) await inHand(cell, message).wait(100)
      else await take(options, post, message, leaving)
    } catch (error) {
      if (stopping.aborted) break
      cell.log.warn({ err: error, consumer: post.name }, 'the bus did not answer, trying again')
      await sleep(250 + Math.random() * 250)
      await ensure(jsm, cell, post).catch(again =>
        cell.log.warn({ err: again, consumer: post.name }, 'the consumer cannot be reached yet'),
      )
    }
  }
  puller.close()
}

/** A slot that the function's other subjects took in between is waited for as long as the message stays ours without a beat. */
async function take<Tools>(
  { cell, tools }: ServeOptions<Tools>,
  { fn, event, slots }: Post<Tools>,
  message: Received,
  leaving: AbortSignal,
) {
  const give = await slots.take(cell.times.ackWait / 3)
  if (!give) return inHand(cell, message).wait(cell.times.ackWait / 10)
  try {
    await deliver({ cell, fn, event, tools: tools(), leaving }, message)
  } finally {
    give()
  }
}
