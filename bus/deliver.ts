/**
 * Hands one message to one function: reads it, proves that it is ours, counts the tries, keeps it alive, publishes what came
 * of it, and only then acknowledges. Every rule here answers an experiment that broke the simpler one (docs/decisions/0005).
 */
import { performance } from 'node:perf_hooks'
import type { Cell } from './cell.ts'
import { contextOf } from './context.ts'
import { type Concern, concernOf, decode, type EventKind, type Fact, MalformedFact, subjectOf } from './event.ts'
import { firstStored, store } from './facts.ts'
import { type FailureData, failedData, failureOf, isRetryable, retryDelay, WorkerDied } from './failure.ts'
import { type AnyFunction, type Context, NotYet, PartlyDone, TICK } from './function.ts'
import { acquireLease, type Lease, OwnershipLost } from './lease.ts'
import { type InHand, inHand } from './message.ts'
import { type EventStep, outcomesOf } from './outcomes.ts'
import type { Received } from './received.ts'
import { parseTick } from './tick.ts'

export interface Delivery<Tools> {
  cell: Cell
  fn: AnyFunction<Tools>
  /** The event that this consumer brings; undefined for ticks. */
  event: EventKind | undefined
  tools: Tools
  /** Aborted when running handlers have to stop because the worker goes. */
  leaving: AbortSignal
}

/** What one delivery knows once the message is read. */
interface Job<Tools> extends Delivery<Tools> {
  hand: InHand
  outcomes: EventStep
  concern: Concern
  cause: string
  attempt: number
  lease: Lease
  /** The step is stored as failed: only its traces are to be withdrawn. */
  undone: boolean
  /** Calls the function with the data that was read. */
  handle(context: Context<Tools>): Promise<Fact | Fact[]>
  withdraw(context: Context<Tools>): Promise<void>
}

/** Resolves when nothing more is to be done for this delivery. Rejects only where the bus itself failed. */
export async function deliver<Tools>(delivery: Delivery<Tools>, message: Received): Promise<void> {
  const { cell, fn } = delivery
  const hand = inHand(cell, message)
  const outcomes = outcomesOf(fn)
  const { concern, cause, handle, withdraw } = read(delivery, message)
  const stored = message.deliveries > 1 ? await firstStored(cell, outcomes.settling(concern), concern) : undefined
  // What an earlier try left of a step that failed has to go, once nobody works on it.
  const undone = stored?.subject === subjectOf(cell.prefix, { event: outcomes.failed, data: concern })
  if (stored && !undone) return hand.done()
  const attempt = await hand.attempts()
  const lease = await acquireLease(cell.work, leaseKey(fn.name, concern, hand), cell.worker, cell.lease)
  if (!lease) return hand.wait(jitter(Math.min(cell.times.ackWait / 3, 10_000)))
  try {
    await work({ ...delivery, hand, outcomes, concern, cause, attempt, lease, undone, handle, withdraw })
  } catch (error) {
    // Lost while the failure was being said: the next owner says it.
    if (!(error instanceof OwnershipLost)) throw error
    cell.log.warn({ err: error, step: fn.name, backup: concern.id }, 'not ours any more: stopped without a word')
  } finally {
    await lease.release()
  }
}

type Reading<Tools> = Pick<Job<Tools>, 'concern' | 'cause' | 'handle' | 'withdraw'>

function read<Tools>({ cell, fn, event }: Delivery<Tools>, message: Received): Reading<Tools> {
  const nothing = async () => {}
  if (fn.on === TICK) {
    const tick = parseTick(message.data)
    return { concern: {}, cause: `tick-${message.sequence}`, handle: context => fn.handle(tick, context), withdraw: nothing }
  }
  if (!event) throw new Error(`${fn.name}: a host function needs the event its consumer brings`)
  try {
    const { envelope, data } = decode(cell.prefix, event, message.subject, message.data)
    const withdraw = (context: Context<Tools>) => fn.withdraw?.(data, context) ?? nothing()
    return { concern: data, cause: envelope.id, handle: context => fn.handle(data, context), withdraw }
  } catch (error) {
    if (!(error instanceof MalformedFact)) throw error
    const concern = concernOf(cell.prefix, message.subject, event.seventh)
    return { concern, cause: `message-${message.sequence}`, handle: () => Promise.reject(error), withdraw: nothing }
  }
}

async function work<Tools>(job: Job<Tools>): Promise<void> {
  const { cell, fn, hand, lease, leaving, attempt } = job
  const started = performance.now()
  const context = contextOf({ ...job, signal: AbortSignal.any([lease.signal, leaving]), marks: marksOf(job) })
  // Only on proof: beats sent into a cut line would arrive after it and hide the message from its next owner.
  const beat = setInterval(() => {
    void lease.renew().then(proven => proven && hand.stillWorking())
  }, cell.times.heartbeat)
  try {
    if (attempt > triesOf(job) && !job.undone) throw new WorkerDied(fn.name, attempt - 1)
    const facts = job.undone ? [] : [await job.handle(context)].flat()
    await settle(job, facts, context, performance.now() - started)
    lease.signal.throwIfAborted()
    hand.done()
    await lease.release()
    const ms = Math.round(performance.now() - started)
    cell.log.info({ ...marksOf(job), ms, facts: facts.map(fact => fact.event.type) }, `${fn.name} finished`)
  } catch (error) {
    await giveBack(job, error, context)
  } finally {
    clearInterval(beat)
  }
}

/** Publishes in order. Where another outcome was stored first, ours is withdrawn. */
async function settle<Tools>(job: Job<Tools>, facts: Fact[], context: Context<Tools>, elapsed: number): Promise<void> {
  const { cell, lease, outcomes, concern } = job
  const look = job.undone || lease.doubtful || elapsed > cell.times.ackWait
  const stored = look ? await firstStored(cell, outcomes.settling(concern), concern) : undefined
  if (stored && facts.some(fact => subjectOf(cell.prefix, fact) === stored.subject)) return
  await lease.prove()
  if (stored) return await job.withdraw(context)
  if (job.fn.on === TICK) await Promise.all(facts.map(fact => speak(job, fact)))
  else for (const fact of facts) if (await speak(job, fact)) await job.withdraw(context)
}

/** True where a rival of another kind was stored first. */
async function speak<Tools>({ cell, fn, cause, lease, outcomes }: Job<Tools>, fact: Fact): Promise<boolean> {
  const rivals = outcomes.settling(fact.data)
  const speaker = `${fn.name}:${cell.worker}`
  const rival = await store(cell, fact, rivals, { speaker, cause, time: new Date(), mayStill: () => lease.prove() })
  if (rival) cell.log.warn({ backup: fact.data.id, step: fn.name, stored: rival.subject }, 'another outcome was stored first')
  return rival !== undefined
}

/** The ways back of a try that did not succeed. Whoever lost the message says nothing at all. */
async function giveBack<Tools>(job: Job<Tools>, error: unknown, context: Context<Tools>): Promise<void> {
  const { hand, lease, leaving, attempt, cell } = job
  if (error instanceof PartlyDone && !lease.signal.aborted) for (const fact of error.facts) await speak(job, fact)
  if (lease.signal.aborted) {
    context.log.warn({ err: error }, 'not ours any more: stopped without a word')
  } else if (leaving.aborted) {
    await hand.wait(100)
  } else if (error instanceof NotYet) {
    context.log.debug({ reason: error.message, delay: error.delay }, 'not yet')
    await hand.wait(jitter(error.delay))
  } else if (isRetryable(error) && attempt < triesOf(job)) {
    const delay = retryDelay(attempt, cell.times.ackWait)
    context.log.warn({ err: error, delay }, 'failed, will be tried again')
    await sayRetrying(job, error)
    hand.retry(delay)
  } else {
    await fail(job, error, context)
  }
}

async function fail<Tools>(job: Job<Tools>, error: unknown, context: Context<Tools>): Promise<void> {
  context.log.error({ err: error }, 'failed for good')
  const { concern, attempt, lease, hand, outcomes } = job
  await lease.prove()
  await speak(job, { event: outcomes.failed, data: failedData(concern, error, attempt, job.cause) })
  if (!lease.signal.aborted) hand.done()
}

async function sayRetrying<Tools>(job: Job<Tools>, error: unknown): Promise<void> {
  const { fn, outcomes, attempt, concern, lease } = job
  if (!outcomes.retrying || attempt < (fn.retry?.sayFrom ?? Number.POSITIVE_INFINITY)) return
  await lease.prove()
  const { host, source, id } = concern
  const data: Concern & FailureData = { host, source, id, error: failureOf(error), attempts: attempt }
  await speak({ ...job, cause: `${job.cause}.${attempt}` }, { event: outcomes.retrying, data })
}

function triesOf<Tools>({ fn, cell }: Job<Tools>): number {
  return fn.retry?.attempts ?? cell.times.attempts
}

function leaseKey(step: string, { host, source }: Concern, { message }: InHand): string {
  return source ? `${step}.${host ?? '_'}.${source}` : `${step}._.${message.sequence}`
}

/** What every line of this job's log bears. */
function marksOf<Tools>({ fn, concern, attempt }: Job<Tools>): Record<string, string | number> {
  const { host, source, id } = concern
  return {
    step: fn.name,
    ...(id ? { backup: id } : {}),
    ...(source ? { source } : {}),
    ...(host ? { host } : {}),
    attempt,
  }
}

function jitter(delay: number): number {
  return Math.round(delay * (0.75 + 0.5 * Math.random()))
}
