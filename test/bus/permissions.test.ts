import { type NatsConnection, nkeys } from 'nats'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openCell } from '../../bus/cell.ts'
import { connectBus } from '../../bus/connect.ts'
import { consumerName, ensureConsumer } from '../../bus/consumers.ts'
import { encode, type Fact, filterOf } from '../../bus/event.ts'
import { events, TickData } from '../../bus/events.ts'
import type { HostFunction } from '../../bus/function.ts'
import { inboxOf } from '../../bus/permissions.ts'
import { answerRequests, type RequestContext } from '../../bus/requests.ts'
import { serve } from '../../bus/serve.ts'
import { provision } from '../../bus/streams.ts'
import { parseTick } from '../../bus/tick.ts'
import { natsUsers } from '../../bus/users.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'

requires('nats-server')('permissions', () => {
  const prefix = 'backup'
  const times = { ackWait: 2000, heartbeat: 500, attempts: 2, drain: 500 }
  const ID = 'docs-20261121T020000Z'
  const concern = { id: ID, source: 'docs', host: 'h1' }
  const log = pino({ level: 'silent' })

  const release = {
    name: 'release',
    on: [events.snapshot.failed],
    emits: [events.release.done, events.release.retrying],
    reads: [events.export.done],
    remembers: ['run'],
    async handle(_, { find, run, progress }) {
      progress({ bytes: 1 })
      await find(events.release.done, concern)
      await find(events.export.done, concern)
      await run.create('docs', ID)
      const held = await run.get('docs')
      await run.remove('docs', held?.revision ?? 0)
      return events.release.done({ ...concern, released: ['stage'] })
    },
  } satisfies HostFunction
  const prune = { name: 'prune', on: [events.replicate.done], emits: [events.prune.done] }
  const desk = {
    name: 'ask',
    on: 'requests' as const,
    emits: [events.ask.restore],
    hears: [events.plan.due, events.plan.rejected],
    remembers: ['run' as const],
    endpoints: [
      {
        name: 'run',
        request: TickData,
        async answer(request: unknown, { tick, run }: RequestContext<undefined>) {
          const { facts } = await tick(TickData.parse(request))
          return { planned: facts.length, held: (await run.get('docs')) ?? null }
        },
      },
    ],
  }
  const seed = nkeys.createUser()

  let server: NatsServer
  let admin: NatsConnection
  let user: NatsConnection

  beforeAll(async () => {
    const proofs = {
      admin: { password: 'all' },
      release: { nkey: seed.getPublicKey() },
      prune: { password: 'p' },
      ask: { password: 'a' },
      clock: { password: 'tick' },
    }
    server = await startNats({ config: natsUsers([release, prune, desk], { prefix, hosts: ['h1'], proofs }) })
    admin = await connectBus({ url: server.url, user: 'admin', password: 'all', name: 'admin' })
    const { facts } = await provision(admin, { prefix, ackWait: 2000 })
    const jsm = await admin.jetstreamManager()
    for (const [fn, event] of [
      ['release', events.snapshot.failed],
      ['prune', events.replicate.done],
    ] as const) {
      await ensureConsumer(jsm, facts, {
        name: consumerName(fn, event.type, 'h1'),
        filter: filterOf(prefix, event, 'h1'),
        ackWait: 2000,
      })
    }
    const nkey = new TextDecoder().decode(seed.getSeed())
    user = await connectBus({ url: server.url, nkey, name: 'release', inboxPrefix: inboxOf('release') })
  })

  afterAll(async () => {
    await user?.close()
    await admin?.close()
    await server?.stop()
  })

  const snapshotFailed: Fact = events.snapshot.failed({
    ...concern,
    error: { name: 'Error', message: 'no', retryable: false },
    attempts: 5,
  })

  test('a function does its whole work with its own rights', async () => {
    const cell = await openCell(user, { prefix, log, times })
    const serving = await serve({ cell, functions: [release], hosts: { h1: { concurrency: 1 } }, tools: () => undefined })
    const bytes = encode(snapshotFailed, { prefix, speaker: 'test', cause: 'test', time: new Date() })
    await admin.jetstream().publish(`backup.snapshot.failed.h1.docs.${ID}`, bytes)
    const stored = async (type: string) =>
      (await admin.request(`$JS.API.DIRECT.GET.BACKUP.backup.${type}.h1.docs.${ID}`)).headers?.code ?? 0
    await vi.waitFor(async () => expect(await stored('release.done')).toBe(0), 4000)
    const jsm = await admin.jetstreamManager()
    await vi.waitFor(async () => {
      const { num_ack_pending, num_pending } = await jsm.consumers.info(
        'BACKUP',
        consumerName('release', 'snapshot.failed', 'h1'),
      )
      expect({ num_ack_pending, num_pending }).toEqual({ num_ack_pending: 0, num_pending: 0 })
    }, 4000)
    await serving.stop()
  })

  describe('a function may not', () => {
    const consumer = consumerName('prune', 'replicate.done', 'h1')
    test.each([
      ['say what another says', `backup.prune.done.h1.docs.${ID}`],
      ['speak for another host', `backup.release.done.h2.docs.${ID}`],
      ['tick', 'backup.tick'],
      ['take what is for another', `$JS.API.CONSUMER.MSG.NEXT.BACKUP.${consumer}`],
      ['acknowledge for another', `$JS.ACK.BACKUP.${consumer}.1.1.1.1.0`],
      ['remove its own consumer', `$JS.API.CONSUMER.DELETE.BACKUP.${consumerName('release', 'snapshot.failed', 'h1')}`],
      ['make a consumer', '$JS.API.CONSUMER.CREATE.BACKUP.mine.backup.>'],
      ['remove the stream', '$JS.API.STREAM.DELETE.BACKUP'],
      ['empty the stream', '$JS.API.STREAM.PURGE.BACKUP'],
      ['change the stream', '$JS.API.STREAM.UPDATE.BACKUP'],
      ['read any message by its number', '$JS.API.STREAM.MSG.GET.BACKUP'],
      ['read any message directly', '$JS.API.DIRECT.GET.BACKUP'],
      ['read what another step said', `$JS.API.DIRECT.GET.BACKUP.backup.verify.done.h1.docs.${ID}`],
      ["take another's lease", '$KV.BACKUP_work.prune.h1.docs'],
      ["read another's lease", '$JS.API.DIRECT.GET.KV_BACKUP_work.$KV.BACKUP_work.prune.h1.docs'],
      ['change what it does not remember', '$KV.BACKUP_planned.docs.nightly'],
    ])('%s', async (_, subject) => {
      await expect(user.request(subject, '', { timeout: 1000 })).rejects.toMatchObject({ code: 'PERMISSIONS_VIOLATION' })
    })

    test.each(['_INBOX_prune.>', '_INBOX.>', 'backup.>', '>', '$JS.ACK.>'])('listen to %s', async subject => {
      const denied = new Promise(resolve => user.subscribe(subject, { callback: resolve }))
      expect(await denied).toMatchObject({ code: 'PERMISSIONS_VIOLATION' })
    })
  })

  test('the clock may tick and nothing else', async () => {
    const clock = await connectBus({
      url: server.url,
      user: 'clock',
      password: 'tick',
      name: 'clock',
      inboxPrefix: inboxOf('clock'),
    })
    expect(await clock.jetstream().publish('backup.tick', '{}')).toMatchObject({ stream: 'TICK' })
    await expect(clock.request(`backup.release.done.h1.docs.${ID}`, '', { timeout: 1000 })).rejects.toMatchObject({
      code: 'PERMISSIONS_VIOLATION',
    })
    await clock.close()
  })

  test('a desk hears its questions, ticks, sees what came of it, and answers', async () => {
    const ask = await connectBus({ url: server.url, user: 'ask', password: 'a', name: 'ask', inboxPrefix: inboxOf('ask') })
    const cell = await openCell(ask, { prefix, log, times })
    const service = await answerRequests(cell, desk, () => undefined, '1.0.0')
    await ask.flush()
    const jsm = await admin.jetstreamManager()
    const { name } = await ensureConsumer(jsm, 'TICK', {
      name: consumerName('plan', 'tick'),
      filter: 'backup.tick',
      ackWait: 2000,
    })
    const answer = admin.request('backup.run', JSON.stringify({ sources: ['docs'] }), { timeout: 4000 })
    const consumer = await admin.jetstream().consumers.get('TICK', name)
    const plan = async (): Promise<unknown> => {
      const tick = await consumer.next({ expires: 3000 })
      tick?.ack()
      const read = tick && parseTick(tick.data)
      // The clock of another test came first.
      return read && 'data' in read && !read.data.sources ? plan() : read
    }
    expect(await plan()).toEqual({ data: { sources: ['docs'] }, clock: false })
    expect((await answer).json()).toEqual({ planned: 0, held: null })
    await service.stop()
    await ask.close()
  })
})
