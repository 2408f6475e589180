import { expect, onTestFinished, test } from 'vitest'
import { openCell } from '../../bus/cell.ts'
import { connectBus } from '../../bus/connect.ts'
import { consumerName } from '../../bus/consumers.ts'
import { events } from '../../bus/events.ts'
import type { HostFunction } from '../../bus/function.ts'
import { serve } from '../../bus/serve.ts'
import { provision } from '../../bus/streams.ts'
import { createLogger } from '../../infra/log.ts'
import { startNats } from '../services/nats.ts'

test('hosts that could not be served for one that cannot be are served once it is gone', async () => {
  const server = await startNats()
  onTestFinished(() => server.stop())
  const connection = await connectBus({ url: server.url, name: 'test' })
  onTestFinished(() => connection.close())
  const times = { ackWait: 2000, heartbeat: 500, attempts: 3, drain: 1000 }
  await provision(connection, { prefix: 'backup', ackWait: times.ackWait })
  const cell = openCell(connection, { prefix: 'backup', times, log: createLogger({ level: 'silent' }) })
  const fn: HostFunction<object, readonly [typeof events.plan.due], readonly []> = {
    name: 'snapshot',
    on: [events.plan.due],
    emits: [],
    handle: async () => [],
  }
  const running = await serve({ cell, functions: [fn], hosts: {}, tools: () => ({}) })
  onTestFinished(() => running.stop())
  const [host, name] = [{ concurrency: 1 }, consumerName('snapshot', 'plan.due', 'other')]
  await expect(running.serveHosts({ other: host, 'no host': host })).rejects.toThrow()
  const jsm = await connection.jetstreamManager()
  await jsm.consumers.delete(cell.stream, name).catch(() => false)
  await running.serveHosts({ other: host })
  expect((await jsm.consumers.info(cell.stream, name)).name).toBe(name)
})
