/** Ticks once a minute. Any number of clocks may run: the minute is the message's id, so the stream keeps one. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient, NatsConnection } from 'nats'
import type { Logger } from 'pino'
import { tickSubject } from './streams.ts'
import { encodeTick } from './tick.ts'

export interface ClockOptions {
  nc: NatsConnection
  prefix: string
  /** Milliseconds between ticks. */
  every?: number
  log: Logger
}

export interface Clock {
  stop(): Promise<void>
}

/** Milliseconds between two tries while the bus is away. */
const AGAIN = 250

/** The first tick is that of the present minute. Minutes without a bus are not made up for: plan looks back by itself. */
export function startClock({ nc, prefix, every = 60_000, log }: ClockOptions): Clock {
  const stopping = new AbortController()
  const js = nc.jetstream({ timeout: Math.min(every, 2000) })
  const ticking = run()
  return {
    async stop() {
      stopping.abort()
      await ticking
    },
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted && !nc.isClosed()) {
      const slot = Math.floor(Date.now() / every) * every
      await tick({ js, prefix, slot, until: slot + every, log, signal: stopping.signal })
      await pause(slot + every - Date.now(), stopping.signal)
    }
  }
}

interface Slot {
  js: JetStreamClient
  prefix: string
  /** Its beginning, ms since 1970. */
  slot: number
  until: number
  log: Logger
  signal: AbortSignal
}

/** Tries until the stream has it or the next one is due. */
async function tick({ js, prefix, slot, until, log, signal }: Slot): Promise<void> {
  const time = new Date(slot)
  const id = `clock:${time.toISOString()}`
  const message = encodeTick({}, { prefix, speaker: 'clock', id, time })
  for (let tries = 1; !signal.aborted && (tries === 1 || Date.now() < until); tries++) {
    try {
      const { duplicate } = await js.publish(tickSubject(prefix), message, { msgID: id })
      log.debug({ tick: id, duplicate, tries }, duplicate ? 'another clock ticked' : 'tick')
      return
    } catch (error) {
      if (tries === 1) log.warn({ err: error, tick: id }, 'the tick was not stored; trying until the next one')
      await pause(AGAIN, signal)
    }
  }
}

async function pause(duration: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, duration), undefined, { signal }).catch(() => undefined)
}
