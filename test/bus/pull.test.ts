import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamManager, NatsConnection } from 'nats'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { ensureConsumer } from '../../bus/consumers.ts'
import { openPuller, type Puller } from '../../bus/pull.ts'
import { provision, streamNames } from '../../bus/streams.ts'
import { type NatsServer, startNats } from '../services/nats.ts'

const stream = streamNames('backup').ticks
const settings = { name: 'plan-tick', filter: 'backup.tick', ackWait: 2000 }
let server: NatsServer
let connection: NatsConnection
let manager: JetStreamManager

beforeEach(async () => {
  server = await startNats()
  connection = await connectBus({ url: server.url, name: 'test' })
  await provision(connection, { prefix: 'backup', ackWait: 2000 })
  manager = await connection.jetstreamManager()
  await ensureConsumer(manager, stream, settings)
})
afterEach(async () => {
  await connection.close()
  await server.stop()
})

const pullerOf = (expires: number) => openPuller(connection, { stream, consumer: settings.name, expires })
const publish = (text: string) => connection.jetstream().publish('backup.tick', text)

/** Takes and acknowledges until so many came, however many questions that needs. */
async function take(puller: Puller, count: number) {
  const texts: string[] = []
  while (texts.length < count) {
    const message = await puller.next()
    if (!message) continue
    texts.push(`${Buffer.from(message.data)} ${message.deliveries}`)
    message.ack()
  }
  return texts
}

test('messages come one at a time, in order, and say what they are', async () => {
  const puller = pullerOf(5000)
  const before = Date.now()
  for (const text of ['a', 'b', 'c']) await publish(text)
  const first = await puller.next()
  expect(first).toMatchObject({ subject: 'backup.tick', sequence: 1, consumer: 'plan-tick', deliveries: 1, pending: 2 })
  expect(Math.abs((first?.time.getTime() ?? 0) - before)).toBeLessThan(5000)
  first?.ack()
  expect(await take(puller, 2)).toEqual(['b 1', 'c 1'])
  puller.close()
})

test('where nothing comes in time it says so, and the next question is a new one', async () => {
  const puller = pullerOf(200)
  expect(await puller.next()).toBeUndefined()
  await publish('late')
  expect(await take(puller, 1)).toEqual(['late 1'])
  puller.close()
})

test('messages that come while questions end are delivered once, and none waits to be delivered again', async () => {
  const puller = pullerOf(20)
  const texts = Array.from({ length: 200 }, (_, place) => String(place))
  const publishing = (async () => {
    for (const text of texts) {
      await publish(text)
      await sleep(Math.random() * 8)
    }
  })()
  expect(await take(puller, texts.length)).toEqual(texts.map(text => `${text} 1`))
  await publishing
  puller.close()
})

test('many who pull from one consumer share what there is', async () => {
  const pullers = Array.from({ length: 8 }, () => pullerOf(5000))
  const waiting = pullers.map(puller => puller.next())
  const texts = pullers.map((_, place) => String(place))
  for (const text of texts) await publish(text)
  const found = await Promise.all(waiting)
  expect(found.map(message => String(Buffer.from(message?.data ?? []))).sort()).toEqual(texts)
  for (const puller of pullers) puller.close()
})

test('what is given back comes again, after its delay', async () => {
  const puller = pullerOf(5000)
  await publish('again')
  const first = await puller.next()
  first?.nak(300)
  expect(await take(puller, 1)).toEqual(['again 2'])
  puller.close()
})

test('after kill -9 of the server who waited asks again at once, and nothing is taken twice', async () => {
  const puller = pullerOf(60_000)
  const waiting = puller.next()
  await server.kill9()
  await server.restart()
  expect(await waiting).toBeUndefined()
  await publish('after')
  let found = await puller.next().catch(() => undefined)
  while (!found) found = await puller.next().catch(() => undefined)
  expect([String(Buffer.from(found.data)), found.deliveries]).toEqual(['after', 1])
  found.ack()
  await publish('and on')
  expect(await take(puller, 1)).toEqual(['and on 1'])
  puller.close()
})

test('a connection that is closed ends the question that waits, and takes no other', async () => {
  const puller = pullerOf(60_000)
  const waiting = puller.next()
  await connection.close()
  expect(await waiting).toBeUndefined()
  await expect(puller.next()).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
})

test('a consumer that was removed is an error once two questions in a row are not even told that time is up', async () => {
  const puller = pullerOf(300)
  await manager.consumers.delete(stream, settings.name)
  expect(await puller.next()).toBeUndefined()
  await expect(puller.next()).rejects.toThrow('plan-tick')
  await ensureConsumer(manager, stream, settings)
  await publish('made anew')
  expect(await take(puller, 1)).toEqual(['made anew 1'])
  puller.close()
})
