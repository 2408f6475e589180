import type { NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { decode, encode, MalformedFact, messageId, subjectOf } from '../../bus/event.ts'
import { events } from '../../bus/events.ts'
import { exchangeOf } from '../../bus/exchange.ts'
import { type FactStore, findFact, firstStored, store } from '../../bus/facts.ts'
import { provision, streamNames } from '../../bus/streams.ts'
import { type NatsServer, startNats } from '../services/nats.ts'

let server: NatsServer
let connection: NatsConnection
let bus: FactStore
const spoken = { speaker: 'release:test', cause: 'c', time: new Date(0), mayStill: () => {} }
const rivals = [events.release.done, events.release.failed]
const error = { name: 'Error', message: 'no', retryable: true }

beforeAll(async () => {
  server = await startNats()
  connection = await connectBus({ url: server.url, name: 'test' })
  await provision(connection, { prefix: 'backup', ackWait: 2000 })
  bus = { prefix: 'backup', stream: streamNames('backup').facts, connection, exchange: exchangeOf(connection) }
})
afterAll(async () => {
  await connection.close()
  await server.stop()
})

const named = (source: string) => ({ id: `${source}-20261121T020000Z`, source, host: 'local' })

test('of done and failed that race one is stored, and both sides learn which', async () => {
  for (let race = 0; race < 40; race++) {
    const concern = named(`race${race}`)
    const done = store(bus, events.release.done({ ...concern, released: [] }), rivals, spoken)
    const failed = store(bus, events.release.failed({ ...concern, error, attempts: 1 }), rivals, spoken)
    const lost = [await done, await failed]
    expect(lost.filter(rival => rival === undefined)).toHaveLength(1)
    const winner = await firstStored(bus, rivals, concern)
    expect(lost.find(rival => rival !== undefined)?.subject).toBe(winner?.subject)
  }
})

test('saying the same again is no rival', async () => {
  const fact = events.release.done({ ...named('again'), released: [] })
  expect(await store(bus, fact, rivals, spoken)).toBeUndefined()
  expect(await store(bus, fact, rivals, spoken)).toBeUndefined()
})

test('what was not said is not found, what was said is', async () => {
  expect(await findFact(bus, events.release.done, named('silent'))).toBeUndefined()
  await store(bus, events.release.done({ ...named('loud'), released: ['a'] }), rivals, spoken)
  expect(await findFact(bus, events.release.done, named('loud'))).toMatchObject({ released: ['a'] })
})

test('a rejection may be said once per cause', async () => {
  const fact = events.plan.rejected({ source: 'docs', error, cause: 'tick-1' })
  await store(bus, fact, [events.plan.rejected], { ...spoken, cause: 'tick-1' })
  await store(bus, fact, [events.plan.rejected], { ...spoken, cause: 'tick-1' })
  await store(bus, fact, [events.plan.rejected], { ...spoken, cause: 'tick-2' })
  const jsm = await connection.jetstreamManager()
  const { state } = await jsm.streams.info(bus.stream, { subjects_filter: 'backup.plan.rejected.>' })
  expect(state.subjects).toEqual({ 'backup.plan.rejected._.docs._': 2 })
})

test('outcomes of one step share their message id, whatever their name', () => {
  const concern = named('docs')
  const done = events.release.done({ ...concern, released: [] })
  const failed = events.release.failed({ ...concern, error, attempts: 1 })
  expect(messageId(done, 'a')).toBe(messageId(failed, 'b'))
  expect(messageId(events.ask.restore({ ...concern, request: 'r1' }), 'a')).not.toBe(
    messageId(events.ask.restore({ ...concern, request: 'r2' }), 'a'),
  )
})

test('a fact is read only from the subject and with the type that its data has', () => {
  const fact = events.release.done({ ...named('docs'), released: [] })
  const bytes = encode(fact, { prefix: 'backup', speaker: 't', cause: 'c', time: new Date(0) })
  expect(decode('backup', events.release.done, subjectOf('backup', fact), bytes).data).toEqual(fact.data)
  const elsewhere = 'backup.release.done.local.other.other-20261121T020000Z'
  expect(() => decode('backup', events.release.done, elsewhere, bytes)).toThrow(MalformedFact)
  expect(() => decode('acme', events.release.done, subjectOf('acme', fact), bytes)).toThrow(MalformedFact)
  expect(() => decode('backup', events.verify.done, subjectOf('backup', fact), bytes)).toThrow(MalformedFact)
  expect(() => decode('backup', events.release.done, elsewhere, new Uint8Array([0xff, 0xfe]))).toThrow(MalformedFact)
})

test("another source's id is no fact of this one", () => {
  const fact = events.release.done({ id: 'zeus-20261121T020000Z', source: 'docs', host: 'local', released: [] })
  const bytes = encode(fact, { prefix: 'backup', speaker: 't', cause: 'c', time: new Date(0) })
  expect(() => decode('backup', events.release.done, subjectOf('backup', fact), bytes)).toThrow('is no backup of docs')
})

test('a fact that is too large is refused before it is sent', () => {
  const fact = events.release.done({ ...named('docs'), released: ['x'.repeat(70_000)] })
  expect(() => encode(fact, { prefix: 'backup', speaker: 't', cause: 'c', time: new Date(0) })).toThrow('facts end at 65536')
})
