import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { events } from '../../bus/events.ts'
import type { SourceConfig } from '../../infra/config.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { testService } from '../infra/restore/service.ts'
import { ask, execute, makeDatabase } from '../infra/sources/databases.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { requires } from '../services/requires.ts'
import { flip, only, openScene, type Scene, shadow, source } from './scene.ts'

const Accepted = z.object({ request: z.string() })

interface End {
  from?: string
  targets?: string[]
  aside?: string[]
  checks?: { name: string }[]
  error?: { message: string }
}

/** Asks for a restore and waits for its end. */
async function restored(scene: Scene, question: { id: string; to?: string; vault?: string; keepAside?: boolean }): Promise<End> {
  const { request } = Accepted.parse(await scene.ask('restore', question))
  for (const until = Date.now() + 25_000; Date.now() < until; await sleep(25)) {
    const ends = [...(await scene.said(events.restore.done)), ...(await scene.said(events.restore.failed))]
    const mine = ends.find(fact => fact.request === request)
    if (mine) return mine
  }
  throw new Error('the restore did not end')
}

/** What is left of restores beside the data, and of fetched copies. */
async function leftovers(scene: Scene): Promise<string[]> {
  const beside = await readdir(scene.directory)
  const state = await readdir(join(scene.root, '.restores'))
  return [...beside, ...state].filter(name => /before-|rejected|staged|restoring|fetched|\.holdfast/.test(name))
}

/** A real service with a database, healthy only where the first account has this balance; backed up once, with nothing in it. */
async function served(balance: number, place = 'local') {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'service'))
  const database = makeDatabase(join(directory, 'accounts.sqlite'))
  const host = localHost()
  const {
    config,
    healthyAt,
    balance: answer,
  } = await testService(join(directory, 'service'), database, argv => host.run([argv[0] ?? '', ...argv.slice(1)]))
  await host.run(config.start)
  const health: SourceConfig['health'] = { http: healthyAt(balance), command: undefined, within: balance === 0 ? 5000 : 500 }
  const scene = await openScene({
    directory,
    hosts: place === 'local' ? [] : [place],
    sources: { accounts: source('sqlite', { path: database }, { host: place, service: config, health }) },
  })
  const { id } = only(await scene.backUp('accounts'))
  await host.run(config.stop)
  execute(database, 'UPDATE account SET balance = 7 WHERE id = 1')
  await host.run(config.start)
  return { scene, id, database, answer }
}

const letters = async (scene: Scene) => readFile(scene.letter, 'utf8')

requires(
  'nats-server',
  'rsync',
  'tar',
  'zstd',
  'sqlite3',
)('restore by the bus', () => {
  test('stops the service, exchanges its database, starts it and waits until it is well', async () => {
    const { scene, id, database, answer } = await served(0)
    const end = await restored(scene, { id })
    expect(end).toMatchObject({ from: 'local', targets: [database], aside: [] })
    expect(end.checks?.map(({ name }) => name)).toContain('health')
    expect(await vi.waitFor(answer, 5000)).toBe('0')
    expect(await leftovers(scene)).toEqual([])
    expect(only(await scene.backUp('accounts'))).toMatchObject({ outcome: 'done' })
  })

  test('a service that does not get well: what was there is back, the service runs with it, and the source is free again', async () => {
    const { scene, id, answer } = await served(7)
    const end = await restored(scene, { id })
    expect(end.error).toMatchObject({
      message: expect.stringContaining('was rolled back'),
      hint: expect.stringContaining('What was there before is in its place again'),
      retryable: false,
    })
    expect(await vi.waitFor(answer, 5000)).toBe('7')
    expect(await leftovers(scene)).toEqual([])
    expect(only(await scene.backUp('accounts'))).toMatchObject({ outcome: 'done' })
  })

  test('on another host, from a copy that has to be fetched: rolled back too, and nothing of it is left', async () => {
    const { scene, id, answer } = await served(7, 'far')
    await rm(join(scene.directory, 'far'), { recursive: true })
    expect((await restored(scene, { id })).error?.message).toContain('was rolled back')
    expect(await vi.waitFor(answer, 5000)).toBe('7')
    expect(await readdir(join(scene.directory, 'far', '.restores'))).toEqual([expect.stringMatching(/^restore-.*json$/)])
  })

  test('a damaged copy is passed over for the one in the vault; where both are, nothing is touched', async () => {
    const scene = await openScene()
    const { id } = only(await scene.backUp('docs'))
    const archive = (directory: string) => join(directory, 'docs.tar.zst')
    await flip(archive(only(await scene.backups()).directory))
    await writeFile(scene.letter, 'spoiled')
    expect(await restored(scene, { id })).toMatchObject({ from: 'nas' })
    expect(await letters(scene)).toBe('dear reader')

    await flip(archive(only(await scene.backups('vault')).directory))
    const kept = await leftovers(scene)
    expect(kept, 'no health proves the new data').toEqual([expect.stringContaining('.before-')])
    await writeFile(scene.letter, 'worth keeping')
    const end = await restored(scene, { id })
    expect(end.error).toMatchObject({
      message: expect.stringMatching(/local: .*nas: /s),
      hint: expect.stringContaining('Nothing was touched'),
    })
    expect(await letters(scene)).toBe('worth keeping')
    expect(await leftovers(scene)).toEqual(kept)
  })

  test('with an artifact that is gone, and with the whole root gone, the vault has it', async () => {
    const scene = await openScene()
    const { id, directory = '' } = only(await scene.backUp('docs'))
    await rm(join(directory, 'docs.tar.zst'))
    await writeFile(scene.letter, 'spoiled')
    expect(await restored(scene, { id })).toMatchObject({ from: 'nas' })
    expect(await letters(scene)).toBe('dear reader')
    await rm(scene.root, { recursive: true })
    await rm(dirname(scene.letter), { recursive: true })
    expect(await restored(scene, { id })).toMatchObject({ from: 'nas' })
    expect(await letters(scene)).toBe('dear reader')
  })

  test('while a backup of the source runs it waits', async () => {
    const slow = join(await temporaryDirectory(), 'slow')
    await shadow('zstd', `[ -e ${slow} ] && sleep 1\nexec zstd "$@"`)
    const scene = await openScene({ vaults: {} })
    const { id } = only(await scene.backUp('docs'))
    await sleep(1005 - (Date.now() % 1000))
    await writeFile(slow, '')
    await scene.tick({ sources: ['docs'] })
    await scene.hears(events.plan.due, 2)
    while (!(await scene.cell.run.get('docs'))) await sleep(5)
    await writeFile(scene.letter, 'spoiled')
    const restoring = restored(scene, { id })
    await scene.hears(events.ask.restore)
    await rm(slow)
    expect(await restoring).toMatchObject({ from: 'local' })
    const types = await order(scene)
    expect(types.slice(types.indexOf('ask.restore'))).toEqual(expect.arrayContaining(['export.done', 'restore.done']))
    expect(types.lastIndexOf('release.done')).toBeLessThan(types.indexOf('restore.done'))
    expect(await letters(scene)).toBe('dear reader')
  })

  test('to another place: what is there stays, the service is left alone, and a backup goes on meanwhile', async () => {
    const { scene, id, database, answer } = await served(0)
    const to = join(scene.directory, 'copy.sqlite')
    await scene.cell.run.create('accounts', 'somebody else')
    expect(await restored(scene, { id, to })).toMatchObject({ targets: [to] })
    expect(ask(to, 'SELECT balance FROM account WHERE id = 1')).toEqual([0])
    expect(await vi.waitFor(answer, 5000)).toBe('7')
    expect(ask(database, 'SELECT balance FROM account WHERE id = 1')).toEqual([7])
  })

  test('what was there can be kept aside', async () => {
    const scene = await openScene()
    const { id } = only(await scene.backUp('docs'))
    await writeFile(scene.letter, 'spoiled')
    const { aside = [] } = await restored(scene, { id, keepAside: true })
    expect(await readFile(join(only(aside), 'letter.txt'), 'utf8')).toBe('spoiled')
    expect(await letters(scene)).toBe('dear reader')
  })
})

/** The types of all stored facts in the order in which they were stored. */
async function order({ cell }: Scene): Promise<string[]> {
  const types: string[] = []
  const consumer = await cell.connection.jetstream().consumers.get(cell.stream)
  const { num_pending } = await consumer.info()
  const messages = await consumer.fetch({ max_messages: num_pending, expires: 5000 })
  for await (const { subject } of messages) types.push(subject.split('.').slice(1, 3).join('.'))
  return types
}
