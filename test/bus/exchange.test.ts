import { headers, type NatsConnection } from 'nats'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { EXPECTED_SEQUENCE, exchangeOf, MESSAGE_ID, openExchange } from '../../bus/exchange.ts'
import { isOvertaken } from '../../bus/overtaken.ts'
import { provision } from '../../bus/streams.ts'
import { type NatsServer, startNats } from '../services/nats.ts'

let server: NatsServer
let connection: NatsConnection

beforeEach(async () => {
  server = await startNats()
  connection = await connectBus({ url: server.url, name: 'test' })
})
afterEach(async () => {
  await connection.close()
  await server.stop()
})

test('every question gets its own answer, in whatever order they come', async () => {
  connection.subscribe('double', {
    callback: (_, message) => void setTimeout(() => message.respond(String(2 * Number(message.string()))), Math.random() * 50),
  })
  const exchange = exchangeOf(connection)
  const questions = Array.from({ length: 500 }, (_, place) => place)
  const answers = await Promise.all(questions.map(async place => (await exchange.ask('double', String(place))).string()))
  expect(answers).toEqual(questions.map(place => String(2 * place)))
})

test('a connection has one', () => {
  expect(exchangeOf(connection)).toBe(exchangeOf(connection))
})

test('nobody there, and nobody who answers, are told apart', async () => {
  await expect(exchangeOf(connection).ask('nobody')).rejects.toMatchObject({ code: '503' })
  connection.subscribe('silent', { callback: () => {} })
  await expect(openExchange(connection, 100).ask('silent')).rejects.toMatchObject({ code: 'TIMEOUT' })
})

test('an answer that comes too late is nobody else’s', async () => {
  connection.subscribe('slow', { callback: (_, message) => void setTimeout(() => message.respond('late'), 900) })
  const hasty = openExchange(connection, 500)
  await expect(hasty.ask('slow', 'first')).rejects.toMatchObject({ code: 'TIMEOUT' })
  connection.subscribe('quick', { callback: (_, message) => void setTimeout(() => message.respond('quick'), 100) })
  for (let turn = 0; turn < 8; turn++) expect((await hasty.ask('quick')).string()).toBe('quick')
})

test('what the stream has against a message is said, and what it has already', async () => {
  await provision(connection, { prefix: 'backup', ackWait: 2000 })
  const { store } = exchangeOf(connection)
  const named = headers()
  named.set(MESSAGE_ID, 'one')
  expect(await store('backup.tick', '{}', named)).toEqual({ seq: 1, duplicate: false })
  expect(await store('backup.tick', '{}', named)).toEqual({ seq: 1, duplicate: true })
  const first = headers()
  first.set(EXPECTED_SEQUENCE, '0')
  await expect(store('backup.tick', '{}', first)).rejects.toSatisfy(isOvertaken)
})

test('a question that waits while the line is cut is answered over the next one', async () => {
  const exchange = openExchange(connection, 20_000)
  const answering = await connectBus({ url: server.url, name: 'answering' })
  const asked = new Promise<void>(resolve => {
    answering.subscribe('patient', {
      callback: (_, message) => {
        resolve()
        setTimeout(() => message.respond('at last'), 3000)
      },
    })
  })
  await answering.flush()
  const answer = exchange.ask('patient')
  await asked
  await server.kill9()
  await server.restart()
  expect((await answer).string()).toBe('at last')
  await answering.close()
})

test('a connection that is closed answers nothing more', async () => {
  connection.subscribe('silent', { callback: () => {} })
  const answer = expect(exchangeOf(connection).ask('silent')).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  await connection.close()
  await answer
  await expect(exchangeOf(connection).ask('silent')).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
})

test('a question that may not be asked is refused at once', async () => {
  const guarded = await startNats({
    config: 'authorization { users = [{ user: a, password: a, permissions: { publish: ["may", "_INBOX.>"], subscribe: ">" } }] }',
  })
  const guest = await connectBus({ url: guarded.url, user: 'a', password: 'a', name: 'guest' })
  const { ask } = openExchange(guest, 20_000)
  await expect(ask('may.not')).rejects.toMatchObject({ code: 'PERMISSIONS_VIOLATION' })
  await expect(ask('may')).rejects.toMatchObject({ code: '503' })
  await guest.close()
  await guarded.stop()
})
