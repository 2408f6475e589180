import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { openCell } from '../../bus/cell.ts'
import { connectBus } from '../../bus/connect.ts'
import { consumerName, ensureConsumer } from '../../bus/consumers.ts'
import { filterOf } from '../../bus/event.ts'
import { events } from '../../bus/events.ts'
import { exchangeOf } from '../../bus/exchange.ts'
import { findFact } from '../../bus/facts.ts'
import { TICK } from '../../bus/function.ts'
import { inboxOf } from '../../bus/permissions.ts'
import { answerRequests } from '../../bus/requests.ts'
import { serve } from '../../bus/serve.ts'
import { provision, streamNames, tickSubject } from '../../bus/streams.ts'
import { natsUsers } from '../../bus/users.ts'
import { desk, functions } from '../../functions/index.ts'
import { createLogger } from '../../infra/log.ts'
import { createTools } from '../../infra/tools.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { configurationOf } from '../services/house.ts'
import { startNats } from '../services/nats.ts'

const prefix = 'backup'
const times = { ackWait: 2000, heartbeat: 500, attempts: 2, drain: 500 }
const log = createLogger({ level: process.env.LOG ?? 'silent' })
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** The administrator makes what functions may not make. */
async function prepare(url: string) {
  const admin = await connectBus({ url, user: 'admin', password: 'all', name: 'admin' })
  closing.push(() => admin.close())
  const { facts, ticks } = await provision(admin, { prefix, ackWait: times.ackWait })
  const jsm = await admin.jetstreamManager()
  for (const fn of functions) {
    if (fn.on === TICK)
      await ensureConsumer(jsm, ticks, { name: consumerName(fn.name, TICK), filter: tickSubject(prefix), ackWait: times.ackWait })
    else
      for (const event of fn.on) {
        const name = consumerName(fn.name, event.type, 'local')
        await ensureConsumer(jsm, facts, { name, filter: filterOf(prefix, event, 'local'), ackWait: times.ackWait })
      }
  }
  return admin
}

test('the whole chain runs, and restores, with every function under a user of its own that may do nothing else', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'data'))
  await writeFile(join(directory, 'data', 'letter.txt'), 'dear reader')
  const configuration = configurationOf({
    directory,
    sources: {
      docs: { kind: 'files', options: { paths: [join(directory, 'data')], exclude: [], require: [], optional: [], level: 3 } },
    },
    vaults: { nas: { kind: 'rsync', options: { path: join(directory, 'vault') } } },
  })
  const tools = createTools(configuration)
  const names = [...functions.map(({ name }) => name), 'ask', 'admin']
  const proofs = Object.fromEntries(names.map(name => [name, { password: name === 'admin' ? 'all' : `of-${name}` }]))
  const server = await startNats({ config: natsUsers([...functions, desk], { prefix, hosts: ['local'], proofs }) })
  closing.push(() => server.stop())
  const admin = await prepare(server.url)
  const cellOf = async (name: string) => {
    const login = { user: name, password: `of-${name}`, inboxPrefix: inboxOf(name) }
    const connection = await connectBus({ url: server.url, ...login, name })
    closing.push(() => connection.close())
    return openCell(connection, { prefix, times, log })
  }
  for (const fn of functions) {
    const serving = await serve({
      cell: await cellOf(fn.name),
      functions: [fn],
      hosts: { local: { concurrency: 1 } },
      tools: () => tools,
    })
    closing.push(() => serving.stop())
  }
  await answerRequests(await cellOf('ask'), desk, () => tools, '0.0.0')
  const store = { prefix, stream: streamNames(prefix).facts, connection: admin, exchange: exchangeOf(admin) }
  const ask = async (subject: string, request: object) =>
    (await admin.request(subject, JSON.stringify(request), { timeout: 15_000 })).json()
  const until = async (found: () => Promise<unknown>) => {
    for (let looks = 0; looks < 200 && !(await found()); looks++) await new Promise(resolve => setTimeout(resolve, 100))
    return found()
  }

  const planned = await ask('backup.run', { sources: ['docs'] })
  expect(planned).toMatchObject({ planned: [{ source: 'docs' }], rejected: [] })
  const id = z.object({ planned: z.tuple([z.object({ id: z.string() })]) }).parse(planned).planned[0].id
  const concern = { id, source: 'docs', host: 'local' }
  expect(await until(() => findFact(store, events.report.done, concern))).toMatchObject({ outcome: 'done', verified: true })

  const to = join(directory, 'elsewhere')
  const asked = await ask('backup.restore', { id, to })
  const { request } = z.object({ request: z.string() }).parse(asked)
  const restored = { ...concern, request }
  expect(await until(() => findFact(store, events.restore.done, restored))).toMatchObject({ to, checks: expect.anything() })
  expect(await ask('backup.status', {})).toMatchObject([{ source: 'docs', good: { id } }])
  await tools.close()
})
