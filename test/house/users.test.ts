import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { inboxOf } from '../../bus/permissions.ts'
import { furnish, makePlace, type Place, type Running } from '../cli/holdfast.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'

const passwords = 'HOLDFAST_INSTANCE: "i1"\nHOLDFAST_STARTER: "5e1"\nHOLDFAST_LISTENER: "l1"\n'
const denied = { code: 'PERMISSIONS_VIOLATION' }

requires(
  'nats-server',
  'rsync',
  'zstd',
  'sqlite3',
)('the users that holdfast chain --users prints', () => {
  let place: Place
  let server: NatsServer
  let instance: Running
  let config: string
  const others: NatsConnection[] = []
  const connect = async (user: string, password: string) => {
    const connection = await connectBus({ url: server.url, user, password, name: user, inboxPrefix: inboxOf(user) })
    others.push(connection)
    return connection
  }

  beforeAll(async () => {
    place = await makePlace()
    await furnish(place)
    const plans = 'plans: { nightly: { zone: UTC, keep: { last: 5 }, vaults: [shelf], on: [orders.placed] } }'
    const rest =
      'sources: { letters: { kind: files, plan: nightly, paths: [./letters] } }\nvaults: { shelf: { kind: rsync, path: ./shelf } }'
    await writeFile(join(place.path, 'holdfast.yaml'), `${plans}\n${rest}\n`)
    config = `${passwords}${(await place.holdfast(['chain', '--users'])).stdout}`
    server = await startNats({ config })
    const bus = `nats: { url: '${server.url}', user: instance, password: i1 }`
    await writeFile(join(place.path, 'holdfast.yaml'), `${plans}\n${rest}\n${bus}\n`)
    instance = await place.begin(['up', '--log', 'warn'], /runs: 1 source/)
  })
  afterAll(async () => {
    for (const connection of others) await connection.close()
    instance?.kill('SIGTERM')
    await instance?.ended
    await server?.stop()
    await place?.remove()
  })

  test('are understood by the server itself', async () => {
    const file = join(place.path, 'nats.conf')
    await writeFile(file, config)
    expect((await execa('nats-server', ['-t', '-c', file])).stderr).toContain('is valid')
  })

  test('let an instance do all its work, and its commands theirs', async () => {
    expect(await place.holdfast(['run', 'letters', '--wait'])).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await place.holdfast(['status'])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('An instance runs') })
    const events = await place.holdfast(['events', '--since', '1h', '--no-follow'])
    expect(events).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringMatching(/report +done/) })
    expect(await place.holdfast(['restore', 'letters', '--yes'])).toMatchObject({ exitCode: 0 })
  })

  test('let a starter start and look, and do nothing else; a listener hears of it, and says nothing', async () => {
    const [starter, listener] = [await connect('starter', '5e1'), await connect('listener', 'l1')]
    const heard = new Promise<string>(resolve =>
      listener.subscribe('backup.report.done.>', { callback: (_, message) => resolve(message.subject) }),
    )
    await listener.flush()
    const planned = (await starter.request('backup.run', '{"sources":["letters"]}', { timeout: 5000 })).json()
    expect(planned).toMatchObject({ planned: [{ source: 'letters' }], rejected: [] })
    expect(await heard).toMatch(/^backup\.report\.done\.local\.letters\./)
    expect(await starter.jetstream().publish('backup.tick', '{}')).toMatchObject({ stream: 'TICK' })
    for (const subject of ['backup.restore', 'backup.prune', 'backup.plan.due.local.x.y', '$JS.API.STREAM.DELETE.BACKUP'])
      await expect(starter.request(subject, '', { timeout: 1000 })).rejects.toMatchObject(denied)
    await expect(listener.request('backup.tick', '{}', { timeout: 1000 })).rejects.toMatchObject(denied)
    const refused = new Promise(resolve => listener.subscribe('backup.run', { queue: 'q', callback: resolve }))
    expect(await refused).toMatchObject(denied)
  })

  test('let nobody remove a stream or touch another cell', async () => {
    const worker = await connectBus({ url: server.url, user: 'instance', password: 'i1', name: 'worker' })
    others.push(worker)
    const subjects = ['STREAM.DELETE.BACKUP', 'STREAM.PURGE.BACKUP', 'STREAM.CREATE.OTHER', 'STREAM.INFO.OTHER'].map(
      verb => `$JS.API.${verb}`,
    )
    for (const subject of [...subjects, 'other.tick', '$KV.OTHER_work.a'])
      await expect(worker.request(subject, '', { timeout: 1000 })).rejects.toMatchObject(denied)
  })

  test('leave an instance nothing to complain about', async () => {
    instance.kill('SIGTERM')
    expect(await instance.ended).toMatchObject({ exitCode: 0, stderr: expect.not.stringMatching(/ermission|allowed/) })
  })
})
