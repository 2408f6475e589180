import { type NatsConnection, nanos } from 'nats'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { consumerName, ensureConsumer } from '../../bus/consumers.ts'
import { provision, streamNames } from '../../bus/streams.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'

requires('nats-server')('streams and consumers', () => {
  let server: NatsServer
  let nc: NatsConnection

  beforeAll(async () => {
    server = await startNats()
    nc = await connectBus({ url: server.url, name: 'test' })
  })

  afterAll(async () => {
    await nc?.close()
    await server?.stop()
  })

  const bytes = (text: string) => new TextEncoder().encode(text)

  describe('provision', () => {
    test('makes what the recipe asks for, and may run twice and at the same time', async () => {
      const options = { prefix: 'backup', ackWait: 2000 }
      await Promise.all([provision(nc, options), provision(nc, options)])
      const names = await provision(nc, options)
      const jsm = await nc.jetstreamManager()
      const { config: facts } = await jsm.streams.info(names.facts)
      expect(facts).toMatchObject({
        name: 'BACKUP',
        subjects: ['backup.*.>'],
        retention: 'limits',
        storage: 'file',
        allow_direct: true,
        deny_purge: true,
        deny_delete: true,
        duplicate_window: nanos(3_600_000),
        max_age: nanos(90 * 86_400_000),
      })
      const { config: ticks } = await jsm.streams.info(names.ticks)
      expect(ticks).toMatchObject({
        name: 'TICK',
        subjects: ['backup.tick'],
        max_msgs_per_subject: 5000,
        max_age: 0,
        allow_direct: true,
      })
      const { config: work } = await jsm.streams.info(`KV_${names.work}`)
      expect(work).toMatchObject({ max_age: nanos(3000), max_msgs_per_subject: 1, allow_direct: true })
    })

    test('its buckets work as the client means them', async () => {
      const { run } = await provision(nc, { prefix: 'backup', ackWait: 2000 })
      const bucket = await nc.jetstream({ checkAPI: false }).views.kv(run, { bindOnly: true, allow_direct: true })
      const revision = await bucket.create('zeus', 'one')
      await expect(bucket.create('zeus', 'two')).rejects.toMatchObject({ api_error: { err_code: 10071 } })
      await bucket.update('zeus', 'two', revision)
      expect((await bucket.get('zeus'))?.string()).toBe('two')
      await bucket.delete('zeus')
      expect(await bucket.create('zeus', 'three')).toBeGreaterThan(revision)
    })

    test('a changed setting is taken over', async () => {
      const prefix = 'change'
      const { work } = await provision(nc, { prefix, ackWait: 2000 })
      await provision(nc, { prefix, ackWait: 30_000 })
      const { config } = await (await nc.jetstreamManager()).streams.info(`KV_${work}`)
      expect(config.max_age).toBe(nanos(45_000))
    })

    test('what cannot be changed, or belongs to somebody else, is said with the cure', async () => {
      const jsm = await nc.jetstreamManager()
      await jsm.streams.add({ name: 'theirs', subjects: ['taken.>'] })
      await expect(provision(nc, { prefix: 'taken', ackWait: 2000 })).rejects.toMatchObject({
        message: 'nats: taken.*.> belongs to theirs',
        hint: expect.stringContaining('prefix'),
        retryable: false,
      })
      await jsm.streams.add({ name: streamNames('memory').facts, subjects: ['memory.*.>'], storage: 'memory' as never })
      await expect(provision(nc, { prefix: 'memory', ackWait: 2000 })).rejects.toMatchObject({
        hint: expect.stringContaining('nats stream info'),
        retryable: false,
      })
    })

    test('a tick is stored apart from the facts, a deep tick subject is a fact', async () => {
      const names = await provision(nc, { prefix: 'acme.backup', ackWait: 2000 })
      const js = nc.jetstream()
      expect((await js.publish('acme.backup.tick', bytes('{}'))).stream).toBe(names.ticks)
      expect((await js.publish('acme.backup.export.done.h.s.i', bytes('{}'))).stream).toBe(names.facts)
    })
  })

  test('a server without JetStream is said with the cure', async () => {
    const plain = await startNats({ jetstream: false })
    const connection = await connectBus({ url: plain.url, name: 'test' })
    await expect(provision(connection, { prefix: 'backup', ackWait: 2000 })).rejects.toMatchObject({
      message: expect.stringContaining('JetStream does not answer'),
      hint: expect.stringContaining('jetstream {'),
    })
    await connection.close()
    await plain.stop()
  })

  test('no two prefixes share a name', () => {
    const prefixes = ['backup', 'tick', 'a.b', 'a_b', 'a__b', 'a_.b', 'backup.tick', 'acme.tick', 'acme', 'facts']
    const all = prefixes.flatMap(prefix => {
      const { facts, ticks, work } = streamNames(prefix)
      return [facts, ticks, work]
    })
    expect(new Set(all).size).toBe(all.length)
    expect(streamNames('backup')).toMatchObject({ facts: 'BACKUP', ticks: 'TICK' })
  })

  describe('ensureConsumer', () => {
    test('gives each function its subject, from the beginning, and mends a changed setting', async () => {
      const names = await provision(nc, { prefix: 'cons', ackWait: 2000 })
      const js = nc.jetstream()
      await js.publish('cons.export.done.h1.s.i', bytes('{}'))
      await js.publish('cons.export.done.h2.s.i', bytes('{}'))
      const jsm = await nc.jetstreamManager()
      const name = consumerName('verify', 'export.done', 'h1')
      const options = { name, filter: 'cons.export.done.h1.>', ackWait: 2000 }
      await ensureConsumer(jsm, names.facts, options)
      const info = await ensureConsumer(jsm, names.facts, { ...options, ackWait: 3000 })
      expect(info.config).toMatchObject({
        ack_wait: nanos(3000),
        max_deliver: -1,
        ack_policy: 'explicit',
        filter_subject: options.filter,
      })
      expect(info.num_pending).toBe(1)
      const consumer = await js.consumers.get(names.facts, name)
      expect((await consumer.next({ expires: 1000 }))?.subject).toBe('cons.export.done.h1.s.i')
    })

    test('mends a setting of a server that was started again in between', async () => {
      const own = await startNats()
      const connection = await connectBus({ url: own.url, name: 'again' })
      try {
        const names = await provision(connection, { prefix: 'again', ackWait: 2000 })
        const jsm = await connection.jetstreamManager()
        const options = { name: 'plan-tick', filter: 'again.tick', ackWait: 2000 }
        await ensureConsumer(jsm, names.ticks, options)
        await own.kill9()
        await own.restart()
        await vi.waitFor(() => connection.rtt(), 5000)
        const info = await ensureConsumer(jsm, names.ticks, { ...options, ackWait: 6000 })
        expect(info.config.ack_wait).toBe(nanos(6000))
      } finally {
        await connection.close()
        await own.stop()
      }
    })

    test('a consumer of that name with another nature is said with the cure', async () => {
      const names = await provision(nc, { prefix: 'other', ackWait: 2000 })
      const jsm = await nc.jetstreamManager()
      await jsm.consumers.add(names.facts, { durable_name: 'x', ack_policy: 'none' as never })
      await expect(
        ensureConsumer(jsm, names.facts, { name: 'x', filter: 'other.export.done.>', ackWait: 2000 }),
      ).rejects.toMatchObject({
        name: 'BusMismatch',
        hint: expect.stringContaining(names.facts),
      })
    })
  })

  test('what was acknowledged outlives kill -9 of the server, ids included', async () => {
    const { facts } = await provision(nc, { prefix: 'killed', ackWait: 2000 })
    const js = nc.jetstream({ timeout: 500 })
    const { seq } = await js.publish('killed.export.done.h.s.i', bytes('{}'), { msgID: 'export.i' })
    await server.kill9()
    await server.restart()
    const again = await retried(() => js.publish('killed.export.done.h.s.i', bytes('{}'), { msgID: 'export.i' }))
    expect(again).toMatchObject({ stream: facts, seq, duplicate: true })
  })

  async function retried<T>(action: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await action()
      } catch (error) {
        if (tries === 8) throw error
      }
    }
  }
})
