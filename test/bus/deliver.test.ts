import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from 'nats'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Cell, openCell } from '../../bus/cell.ts'
import { connectBus } from '../../bus/connect.ts'
import { encode, subjectOf } from '../../bus/event.ts'
import { type Due, events, type Snapshotted } from '../../bus/events.ts'
import type { HostFunction } from '../../bus/function.ts'
import { NotYet } from '../../bus/function.ts'
import { type Serving, serve } from '../../bus/serve.ts'
import { provision } from '../../bus/streams.ts'
import { createLogger } from '../../infra/log.ts'
import { type NatsServer, startNats } from '../services/nats.ts'

const times = { ackWait: 2000, heartbeat: 500, attempts: 3, drain: 1000 }
let server: NatsServer
const open: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  server = await startNats()
})
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
  await server.stop()
})

async function newCell(): Promise<Cell> {
  const connection = await connectBus({ url: server.url, name: 'test' })
  await provision(connection, { prefix: 'backup', ackWait: times.ackWait })
  open.push(() => connection.close())
  return openCell(connection, { prefix: 'backup', times, log: createLogger({ level: process.env.LOG ?? 'silent' }) })
}

type Snapshot = HostFunction<object, readonly [typeof events.plan.due], readonly [typeof events.snapshot.done]>

async function serving(cell: Cell, handle: Snapshot['handle']): Promise<Serving> {
  const fn: Snapshot = { name: 'snapshot', on: [events.plan.due], emits: [events.snapshot.done], handle }
  const running = await serve({ cell, functions: [fn], hosts: { local: { concurrency: 2 } }, tools: () => ({}) })
  open.push(() => running.stop())
  return running
}

const due = (source: string, second = '00'): Due => ({
  id: `${source}-20261121T0200${second}Z`,
  source,
  host: 'local',
  kind: 'files',
  at: `2026-11-21T02:00:${second}Z`,
  day: '2026-11-21',
  plans: [],
  cause: 'test',
})
const done = (data: Due): Snapshotted => ({
  ...data,
  root: '/backups',
  snapshot: {
    at: data.at,
    consistency: { asked: 'crash', achieved: 'crash' },
    expected: 0,
    held: null,
    tools: {},
    warnings: { count: 0, first: [] },
  },
})

async function publish(connection: NatsConnection, data: Due): Promise<void> {
  const fact = events.plan.due(data)
  await connection
    .jetstream()
    .publish(subjectOf('backup', fact), encode(fact, { prefix: 'backup', speaker: 'test', cause: 'test', time: new Date() }))
}

async function stored(cell: Cell, subject: string): Promise<string[]> {
  const jsm = await cell.connection.jetstreamManager()
  const info = await jsm.streams.info('BACKUP', { subjects_filter: subject })
  return Object.entries(info.state.subjects ?? {}).flatMap(([name, count]) => Array.from({ length: Number(count) }, () => name))
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let looks = 0; looks < 400; looks++, await sleep(50)) if (await condition()) return
  throw new Error('it did not come about within 20 s')
}

test('a fact that is handled becomes the next one, once, and is acknowledged', async () => {
  const cell = await newCell()
  await serving(cell, async data => events.snapshot.done(done(data)))
  await publish(cell.connection, due('docs'))
  await until(async () => (await stored(cell, 'backup.snapshot.>')).length === 1)
  const jsm = await cell.connection.jetstreamManager()
  await until(async () => (await jsm.consumers.info('BACKUP', 'snapshot-plan-due-local')).num_ack_pending === 0)
})

test('a failure is tried again, and the last one is said with hint and attempts', async () => {
  const cell = await newCell()
  let tries = 0
  await serving({ ...cell, times: { ...times, ackWait: 300, heartbeat: 100 } }, async () => {
    tries++
    throw Object.assign(new Error('no space'), { hint: 'make room' })
  })
  await publish(cell.connection, due('docs'))
  await until(async () => (await stored(cell, 'backup.snapshot.failed.>')).length === 1)
  expect(tries).toBe(3)
})

test('a failure is said however large what came and what went wrong', async () => {
  const cell = await newCell()
  await serving(cell, async () => {
    throw Object.assign(new Error('x'.repeat(20_000)), { retryable: false })
  })
  await publish(cell.connection, { ...due('docs'), reason: 'y'.repeat(60_000) })
  await until(async () => (await stored(cell, 'backup.snapshot.failed.>')).length === 1)
})

test('an error that says so is not tried again', async () => {
  const cell = await newCell()
  let tries = 0
  await serving(cell, async () => {
    tries++
    throw Object.assign(new Error('no such source'), { retryable: false })
  })
  await publish(cell.connection, due('docs'))
  await until(async () => (await stored(cell, 'backup.snapshot.failed.>')).length === 1)
  expect(tries).toBe(1)
})

test('waiting is not trying', async () => {
  const cell = await newCell()
  let calls = 0
  await serving(cell, async (data, { attempt }) => {
    calls++
    if (calls < 8) throw new NotYet('held', 20)
    expect(attempt).toBe(1)
    return events.snapshot.done(done(data))
  })
  await publish(cell.connection, due('docs'))
  await until(async () => (await stored(cell, 'backup.snapshot.done.>')).length === 1)
  expect(calls).toBe(8)
})

test('a poison message ends in failed under the subject it came on', async () => {
  const cell = await newCell()
  await serving(cell, async data => events.snapshot.done(done(data)))
  await cell.connection.jetstream().publish('backup.plan.due.local.docs.docs-20261121T020000Z', 'not json')
  await until(async () => (await stored(cell, 'backup.snapshot.failed.local.docs.docs-20261121T020000Z')).length === 1)
})

test('a long handler keeps its message; a second worker does not get it', async () => {
  const cell = await newCell()
  const second = await newCell()
  let calls = 0
  const handle = async (data: Due) => {
    calls++
    await sleep(5000)
    return events.snapshot.done(done(data))
  }
  await serving(cell, handle)
  await serving(second, handle)
  await publish(cell.connection, due('docs'))
  await until(async () => (await stored(cell, 'backup.snapshot.done.>')).length === 1)
  expect(calls).toBe(1)
})

test('stopping gives a running handler back, and another worker finishes it', async () => {
  const cell = await newCell()
  const second = await newCell()
  let started = 0
  const first = await serving(cell, async (_, { signal }) => {
    started++
    await sleep(60_000, undefined, { signal })
    throw new Error('unreachable')
  })
  await publish(cell.connection, due('docs'))
  await until(() => started === 1)
  await first.stop()
  await serving(second, async (data, { attempt }) => {
    expect(attempt).toBe(1)
    return events.snapshot.done(done(data))
  })
  await until(async () => (await stored(cell, 'backup.snapshot.done.>')).length === 1)
})

test('a server that is killed in mid-step loses nothing and doubles nothing', async () => {
  const cell = await newCell()
  let calls = 0
  await serving(cell, async data => {
    calls++
    await sleep(500)
    return events.snapshot.done(done(data))
  })
  await publish(cell.connection, due('docs'))
  await until(() => calls === 1)
  await server.kill9()
  await sleep(700)
  await server.restart()
  await until(async () => (await stored(cell, 'backup.snapshot.>').catch(() => [])).length === 1)
  await sleep(3000)
  expect(await stored(cell, 'backup.snapshot.>')).toHaveLength(1)
})
