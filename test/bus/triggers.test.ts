import { headers, type NatsConnection } from 'nats'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { provision } from '../../bus/streams.ts'
import { parseTick } from '../../bus/tick.ts'
import { startTriggers, type Triggers, triggerProblem } from '../../bus/triggers.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'

requires('nats-server')('triggers', () => {
  let server: NatsServer
  let nc: NatsConnection
  let running: Triggers[] = []
  let cell = 0

  beforeAll(async () => {
    server = await startNats()
    nc = await connectBus({ url: server.url, name: 'test' })
  })

  afterAll(async () => {
    await nc?.close()
    await server?.stop()
  })

  afterEach(async () => {
    await Promise.all(running.map(triggers => triggers.stop()))
    running = []
  })

  async function start(plans: { name: string; on: string[] }[], workers = 1) {
    const prefix = `cell${++cell}`
    const { ticks } = await provision(nc, { prefix, ackWait: 2000 })
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: line => lines.push(line) })
    for (let worker = 0; worker < workers; worker++) running.push(await startTriggers({ nc, prefix, plans, log }))
    const manager = await nc.jetstreamManager()
    const count = async () => (await manager.streams.info(ticks)).state.messages
    const read = async (seq: number) => parseTick((await manager.streams.getMessage(ticks, { seq })).data)
    return { lines, count, read }
  }

  const heard = (count: () => Promise<number>, number: number) => vi.waitFor(async () => expect(await count()).toBe(number), 3000)

  test('one message makes one tick, which names the plans and the cause, whatever the number of workers', async () => {
    const plans = [
      { name: 'skills', on: ['skills.*', 'unheard'] },
      { name: 'all', on: ['skills.*'] },
    ]
    const { count, read } = await start(plans, 3)
    nc.publish('skills.published')
    await heard(count, 1)
    expect(await read(1)).toEqual({ data: { plans: ['skills', 'all'], cause: 'skills.published' }, clock: false })
    nc.publish('skills.withdrawn')
    await heard(count, 2)
    expect(await read(2)).toMatchObject({ data: { cause: 'skills.withdrawn' } })
  })

  test('a message said twice under one id makes one tick', async () => {
    const { count } = await start([{ name: 'shop', on: ['shop.sold', 'shop.end'] }])
    const named = headers()
    named.set('Nats-Msg-Id', 'sale-7')
    nc.publish('shop.sold', '', { headers: named })
    await heard(count, 1)
    nc.publish('shop.sold', '', { headers: named })
    nc.publish('shop.end')
    await heard(count, 2)
  })

  test('a flood is summed up', async () => {
    const { count, read } = await start([{ name: 'flood', on: ['flood.drop', 'flood.last'] }])
    for (let drop = 0; drop < 5000; drop++) nc.publish('flood.drop')
    await nc.flush()
    await vi.waitFor(async () => expect(await count()).toBeGreaterThan(0), 3000)
    await running[0]?.stop()
    expect(await count()).toBeLessThan(2500)
    expect(await read(1)).toMatchObject({ data: { cause: 'flood.drop' } })
  })

  test('what is heard while the stream is away is said when it is back', async () => {
    const { count, lines } = await start([{ name: 'late', on: ['late.heard'] }])
    const manager = await nc.jetstreamManager()
    await manager.streams.delete(`CELL${cell}-tick`)
    nc.publish('late.heard')
    await vi.waitFor(() => expect(lines.join('')).toContain('trying again'), 3000)
    await provision(nc, { prefix: `cell${cell}`, ackWait: 2000 })
    await heard(count, 1)
  })

  test('the log says who keeps what is said while nobody listens', async () => {
    await (await nc.jetstreamManager()).streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
    const { lines } = await start([{ name: 'orders', on: ['orders.placed', 'nobody.keeps'] }])
    expect(lines.join('')).toContain('stays in ORDERS')
    expect(lines.join('')).toContain('no stream keeps it')
  })

  describe('what cannot be a trigger', () => {
    test.each([
      'acme.backup.report.done.>',
      'acme.>',
      '>',
      '*.backup.>',
      'acme.*.tick',
      '$JS.EVENT.>',
      '$KV.x',
      '_INBOX.x',
      'a..b',
      'a b',
      '',
      'a.>.b',
    ])('%s', subject => {
      expect(triggerProblem(subject, 'acme.backup')).toBeTypeOf('string')
    })

    test.each(['acme.backups', 'backup.>', 'other.acme.backup', 'orders.>', 'acme.orders.*', '*'])('but %s can', subject => {
      expect(triggerProblem(subject, 'acme.backup')).toBeUndefined()
    })

    test('is refused with the cure', async () => {
      await expect(start([{ name: 'loop', on: ['cell5.report.done.>', '$JS.>'] }])).rejects.toMatchObject({
        name: 'TriggerRefused',
        hint: expect.any(String),
        retryable: false,
      })
    })
  })
})
