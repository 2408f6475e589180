/** Foreign subjects that cause a backup: what is heard there becomes a tick that names the plans and the cause. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Msg, type NatsConnection, type NatsError, nuid, type Subscription } from 'nats'
import type { Logger } from 'pino'
import { tickSubject } from './streams.ts'
import { encodeTick } from './tick.ts'

/** A subject that cannot be a trigger. */
export class TriggerRefused extends Error {
  override name = 'TriggerRefused'
  readonly retryable = false
  readonly hint = 'Name a subject of another system, for example orders.placed or orders.>.'
}

export interface TriggerOptions {
  nc: NatsConnection
  prefix: string
  /** Plans and the subjects they wait for. */
  plans: readonly { name: string; on: readonly string[] }[]
  log: Logger
}

export interface Triggers {
  /** Stops listening; what was heard is still passed on. */
  stop(): Promise<void>
}

/** Why a subject cannot be a trigger; undefined where it can. Our own facts would make a loop, and the server's own are not events. */
export function triggerProblem(subject: string, prefix: string): string | undefined {
  const tokens = subject.split('.')
  if (/\s/.test(subject) || tokens.some((token, place) => token === '' || (token === '>' && place < tokens.length - 1)))
    return `${JSON.stringify(subject)} is not a subject`
  if (/^(\$|_INBOX)/.test(subject)) return `${subject} belongs to the server`
  const own = prefix.split('.')
  const overlaps = own.every(
    (token, place) => tokens.slice(0, place + 1).includes('>') || tokens[place] === '*' || tokens[place] === token,
  )
  return overlaps ? `${subject} includes what Holdfast itself says on ${prefix}.>` : undefined
}

/**
 * Listens as one of a queue group, so that several workers make one tick. What is said while no worker listens is not
 * heard: the log says so, and which stream keeps it.
 */
export async function startTriggers({ nc, prefix, plans, log }: TriggerOptions): Promise<Triggers> {
  const bySubject = Map.groupBy(
    plans.flatMap(({ name, on }) => on.map(subject => ({ subject, name }))),
    ({ subject }) => subject,
  )
  for (const subject of bySubject.keys()) {
    const problem = triggerProblem(subject, prefix)
    if (problem) throw new TriggerRefused(`on: ${problem}`)
  }
  const ears = [...bySubject].map(([subject, named]) =>
    listen({ nc, prefix, subject, plans: named.map(({ name }) => name), log }),
  )
  for (const subject of bySubject.keys()) await sayOwner(nc, subject, log)
  return {
    async stop() {
      await Promise.all(ears.map(ear => ear.stop()))
    },
  }
}

interface Ear {
  nc: NatsConnection
  prefix: string
  subject: string
  plans: string[]
  log: Logger
}

/** A flood becomes a trickle: what is heard while a tick is on its way is summed up in the next one. */
function listen(ear: Ear): Triggers {
  const leaving = new AbortController()
  let next: Msg | undefined
  let passing: Promise<void> | undefined
  const passAll = async () => {
    while (next) {
      const message = next
      next = undefined
      await pass(ear, message, leaving.signal)
    }
    passing = undefined
  }
  const callback = (error: NatsError | null, message: Msg) => {
    if (error) return ear.log.error({ err: error, subject: ear.subject }, 'not allowed to listen for this trigger')
    next = message
    passing ??= passAll()
  }
  const subscription: Subscription = ear.nc.subscribe(ear.subject, { queue: `holdfast-${ear.prefix}`, callback })
  return {
    async stop() {
      if (!subscription.isClosed()) await subscription.drain()
      leaving.abort()
      await passing
    },
  }
}

/** Milliseconds between two tries while the bus is away. */
const AGAIN = 250

/** Tries as long as we run: the id stays the same, so the tick is stored once. */
async function pass({ nc, prefix, plans, log }: Ear, message: Msg, leaving: AbortSignal): Promise<void> {
  const trigger = message.subject
  const id = `trigger:${trigger}:${message.headers?.get('Nats-Msg-Id') || nuid.next()}`
  const bytes = encodeTick({ plans, cause: trigger.slice(0, 400) }, { prefix, speaker: 'trigger', id, time: new Date() })
  const js = nc.jetstream({ timeout: 2000 })
  for (let tries = 1; ; tries++) {
    try {
      await js.publish(tickSubject(prefix), bytes, { msgID: id })
      return log.info({ trigger, plans }, 'a trigger was heard')
    } catch (error) {
      if (leaving.aborted || nc.isClosed())
        return log.error({ err: error, trigger, plans }, 'a trigger is lost: we leave, and the bus did not take its tick')
      if (tries === 1) log.warn({ err: error, trigger, plans }, 'the tick of a trigger was not stored; trying again')
      await sleep(AGAIN)
    }
  }
}

async function sayOwner(nc: NatsConnection, subject: string, log: Logger): Promise<void> {
  const jsm = await nc.jetstreamManager({ checkAPI: false })
  const owners: string[] = []
  for await (const name of jsm.streams.names(subject)) owners.push(name)
  if (owners.length === 0)
    return log.info({ subject }, 'listening for a trigger; no stream keeps it, so it is heard only while a worker runs')
  const hint = `what is said while no worker runs stays in ${owners.join(', ')} and is not taken from there`
  log.info({ subject, owners }, `listening for a trigger; ${hint}`)
}
