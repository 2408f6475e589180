import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from 'nats'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Clock, startClock } from '../../bus/clock.ts'
import { connectBus } from '../../bus/connect.ts'
import { provision } from '../../bus/streams.ts'
import { parseTick } from '../../bus/tick.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'

requires('nats-server')('the clock', () => {
  const EVERY = 100
  const log = pino({ level: 'silent' })
  let server: NatsServer
  let connections: NatsConnection[]
  let clocks: Clock[]

  beforeEach(async () => {
    server = await startNats()
    connections = await Promise.all(['one', 'two'].map(name => connectBus({ url: server.url, name })))
    for (const nc of connections.slice(0, 1)) await provision(nc, { prefix: 'backup', ackWait: 2000 })
    clocks = connections.map(nc => startClock({ nc, prefix: 'backup', every: EVERY, log }))
  })

  afterEach(async () => {
    await Promise.all(clocks.map(clock => clock.stop()))
    await Promise.all(connections.map(nc => nc.close()))
    await server.stop()
  })

  async function ticks(): Promise<{ slot: number; data: Uint8Array }[]> {
    const [nc] = connections
    if (!nc) throw new Error('no connection')
    const manager = await nc.jetstreamManager({ timeout: 500 })
    const { state } = await manager.streams.info('TICK')
    const sequences = Array.from({ length: state.messages }, (_, place) => state.first_seq + place)
    const messages = await Promise.all(sequences.map(seq => manager.streams.getMessage('TICK', { seq })))
    return messages.map(message => ({
      slot: Date.parse(String(message.header.get('Nats-Msg-Id')).slice('clock:'.length)) / EVERY,
      data: message.data,
    }))
  }

  const enough = (number: number) => vi.waitFor(async () => expect((await ticks()).length).toBeGreaterThanOrEqual(number), 4000)

  test('two clocks make one tick per slot, which plan knows for a clock tick', async () => {
    await enough(4)
    const seen = await ticks()
    const slots = seen.map(({ slot }) => slot)
    expect(new Set(slots).size).toBe(slots.length)
    expect(slots.every(Number.isInteger)).toBe(true)
    expect(seen.map(({ data }) => parseTick(data))).toEqual(seen.map(() => ({ data: {}, clock: true })))
  })

  test('they go on after kill -9 of the server, each slot once', async () => {
    await enough(2)
    await server.kill9()
    await sleep(3 * EVERY)
    await server.restart()
    const before = (await vi.waitFor(ticks, 4000)).length
    await enough(before + 3)
    const slots = (await ticks()).map(({ slot }) => slot)
    expect(new Set(slots).size).toBe(slots.length)
  })

  test('one that is stopped says nothing more', async () => {
    await enough(1)
    await Promise.all(clocks.map(clock => clock.stop()))
    const before = (await ticks()).length
    await sleep(3 * EVERY)
    expect((await ticks()).length).toBe(before)
  })
})
