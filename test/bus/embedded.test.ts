import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { findProgram } from '../../bus/embedded/home.ts'
import { defaultStateDirectory, type Embedded, findBus, startEmbedded } from '../../bus/embedded.ts'
import { provision } from '../../bus/streams.ts'
import { requires } from '../services/requires.ts'

requires(
  'nats-server',
  'setpriv',
  'flock',
)('the embedded bus', () => {
  let home: string
  let stateDirectory: string
  let cleanups: (() => Promise<unknown>)[]

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'holdfast-embedded-'))
    stateDirectory = join(home, 'state')
    cleanups = []
  })

  afterEach(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup()
    await rm(home, { recursive: true, force: true })
  })

  async function start(): Promise<Embedded> {
    const bus = await startEmbedded({ stateDirectory })
    cleanups.push(() => bus.stop())
    return bus
  }

  interface Owner {
    process: ChildProcess
    bus: { url: string; token: string; pid: number; adopted: boolean }
  }

  async function startProcess(tie = 'kernel'): Promise<Owner> {
    const script = join(import.meta.dirname, 'embedded-process.ts')
    const child = spawn(process.execPath, [script, stateDirectory, tie], { stdio: ['ignore', 'pipe', 'inherit'] })
    cleanups.push(() => kill(child))
    const [line] = await once(child.stdout, 'data')
    return { process: child, bus: JSON.parse(String(line)) }
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  const isGone = (pid: number) =>
    vi.waitFor(() => {
      expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    }, 5000)

  async function connected({ url, token }: { url: string; token: string }) {
    const connection = await connectBus({ url, token, name: 'test', timeout: 3000 })
    cleanups.push(() => connection.close())
    return connection
  }

  async function storeFact(bus: { url: string; token: string }): Promise<void> {
    const connection = await connected(bus)
    await provision(connection, { prefix: 'backup', ackWait: 2000 })
    await connection.jetstream().publish('backup.export.done.h.s.i', 'kept')
  }

  async function storedFact(bus: { url: string; token: string }): Promise<string> {
    const connection = await connected(bus)
    return (await connection.request('$JS.API.DIRECT.GET.BACKUP.backup.export.done.h.s.i')).string()
  }

  describe('one owner', () => {
    test('starts a server that only our token opens, and everybody on this machine finds it', async () => {
      expect(await findBus(stateDirectory)).toBeUndefined()
      const bus = await start()
      expect(bus).toMatchObject({
        adopted: false,
        url: expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/),
        token: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
      expect(await findBus(stateDirectory)).toEqual({ url: bus.url, token: bus.token })
      await expect(connectBus({ url: bus.url, token: 'guess', name: 'test', timeout: 1000 })).rejects.toMatchObject({
        retryable: false,
      })
      const record = JSON.parse(await readFile(join(stateDirectory, 'bus.json'), 'utf8'))
      expect(record).toEqual({ url: bus.url, token: bus.token, pid: bus.pid, started: expect.any(String) })
      await bus.stop()
      await isGone(bus.pid)
      expect(await findBus(stateDirectory)).toBeUndefined()
    })

    test('keeps secrets to itself', async () => {
      const bus = await start()
      expect((await stat(stateDirectory)).mode & 0o777).toBe(0o700)
      expect((await stat(join(stateDirectory, 'nats'))).mode & 0o777).toBe(0o700)
      for (const file of ['bus.json', 'nats/nats.conf', 'nats/token'])
        expect((await stat(join(stateDirectory, file))).mode & 0o777, file).toBe(0o600)
      expect(await readFile(`/proc/${bus.pid}/cmdline`, 'utf8')).not.toContain(bus.token)
    })

    test('is out of reach of Ctrl-C on our terminal', async () => {
      const bus = await start()
      const [, group] = /\) \S+ \d+ (\d+)/.exec(await readFile(`/proc/${bus.pid}/stat`, 'utf8')) ?? []
      expect(Number(group)).toBe(bus.pid)
    })

    test('comes back on the same port with the same token and facts', async () => {
      const first = await start()
      await storeFact(first)
      await first.stop()
      const second = await start()
      expect(second).toMatchObject({ url: first.url, token: first.token, adopted: false })
      expect(await storedFact(second)).toBe('kept')
    })

    test('takes another port where somebody else has the old one', async () => {
      const first = await start()
      await first.stop()
      const stranger = createServer()
      await listen(stranger, Number(new URL(first.url).port))
      cleanups.push(async () => stranger.close())
      const second = await start()
      expect(second.url).not.toBe(first.url)
      expect(await findBus(stateDirectory)).toEqual({ url: second.url, token: first.token })
    })

    test('removes what the dead left, and does without a damaged bus.json', async () => {
      const first = await start()
      await first.stop()
      await writeFile(join(stateDirectory, 'nats', 'nats-server_4194300.ports'), '{"nats":["nats://127.0.0.1:1"]}')
      await writeFile(join(stateDirectory, 'nats', 'token.4194300.0123abcd'), 'half')
      await writeFile(join(stateDirectory, 'bus.json'), '{"url":')
      const second = await start()
      expect(second.token).toBe(first.token)
      expect((await readdir(join(stateDirectory, 'nats'))).filter(name => name.endsWith('.ports'))).toEqual([
        `nats-server_${second.pid}.ports`,
      ])
    })

    test('replaces its server after kill -9, with the facts, and clients come back by themselves', async () => {
      const bus = await start()
      await storeFact(bus)
      const connection = await connected(bus)
      const killed = bus.pid
      process.kill(killed, 'SIGKILL')
      await vi.waitFor(() => expect(bus.pid).not.toBe(killed), 5000)
      expect(await storedFact(bus)).toBe('kept')
      await vi.waitFor(() => connection.jetstream({ timeout: 300 }).publish('backup.export.done.h.s.j', 'new'), 5000)
    })
  })

  describe('several processes', () => {
    test('kill -9 of the owner ends its server', async () => {
      const { process: owner, bus } = await startProcess()
      await kill(owner)
      await isGone(bus.pid)
    })

    test('so it does where the kernel does not offer that', async () => {
      const { process: owner, bus } = await startProcess('pipe')
      await storeFact(bus)
      await kill(owner)
      await isGone(bus.pid)
      const next = await startEmbedded({ stateDirectory, tie: 'pipe' })
      cleanups.push(() => next.stop())
      expect(next).toMatchObject({ adopted: false, url: bus.url })
      expect(await storedFact(next)).toBe('kept')
      const joined = await start()
      expect(joined.adopted).toBe(true)
      await next.stop()
      await vi.waitFor(() => expect(joined.adopted).toBe(false), 5000)
    })

    test('a second start joins the first, and its end does not disturb it', async () => {
      const first = await start()
      const second = await start()
      expect(second).toMatchObject({ adopted: true, url: first.url, token: first.token, pid: first.pid })
      await second.stop()
      expect(await findBus(stateDirectory)).toEqual({ url: first.url, token: first.token })
      expect(first.adopted).toBe(false)
    })

    test('of several that start at once, one owns and the others join it', async () => {
      const all = await Promise.all([start(), start(), start(), start()])
      expect(all.filter(bus => !bus.adopted)).toHaveLength(1)
      expect(new Set(all.map(bus => `${bus.url} ${bus.token} ${bus.pid}`)).size).toBe(1)
    })

    test('when the owner dies, one of those who joined takes over on the same port', async () => {
      const { process: owner, bus } = await startProcess()
      await storeFact(bus)
      const [second, third] = [await start(), await start()]
      expect([second.adopted, third.adopted]).toEqual([true, true])
      const connection = await connected(bus)
      await kill(owner)
      await vi.waitFor(() => expect([second.adopted, third.adopted].sort()).toEqual([false, true]), 5000)
      const heir = second.adopted ? third : second
      expect(heir.url).toBe(bus.url)
      await vi.waitFor(() => expect([second.pid, third.pid]).toEqual([heir.pid, heir.pid]), 5000)
      await vi.waitFor(() => connection.jetstream({ timeout: 300 }).publish('backup.export.done.h.s.j', 'new'), 5000)
      expect(await storedFact(heir)).toBe('kept')
    })
  })

  describe('errors', () => {
    test('a missing nats-server is said with the cure', async () => {
      vi.stubEnv('PATH', home)
      cleanups.push(async () => vi.unstubAllEnvs())
      await expect(findProgram('nats-server', [])).rejects.toMatchObject({
        message: 'bus: nats-server is not installed',
        hint: expect.stringContaining('apt install nats-server'),
      })
    })

    test('a state directory that cannot be one is said with the cure', async () => {
      await writeFile(stateDirectory, 'a file')
      await expect(startEmbedded({ stateDirectory })).rejects.toMatchObject({
        message: expect.stringContaining(stateDirectory),
        hint: expect.stringContaining('--state'),
        retryable: false,
      })
    })

    test('a server that cannot start is said with where to look', async () => {
      await (await start()).stop()
      const store = join(stateDirectory, 'nats', 'store')
      await rm(join(store, 'jetstream'), { recursive: true })
      await writeFile(join(store, 'jetstream'), 'not a directory')
      await expect(startEmbedded({ stateDirectory })).rejects.toMatchObject({
        name: 'BusNotStarted',
        message: expect.stringMatching(/storage directory/i),
        hint: expect.stringContaining('nats.log'),
      })
    })
  })

  test('the default state directory follows the standard', () => {
    expect(defaultStateDirectory({ XDG_STATE_HOME: '/var/state', HOME: '/home/a' })).toBe('/var/state/holdfast')
    expect(defaultStateDirectory({ XDG_STATE_HOME: 'relative', HOME: '/home/a' })).toBe('/home/a/.local/state/holdfast')
    expect(defaultStateDirectory({ HOME: '/home/a' })).toBe('/home/a/.local/state/holdfast')
  })

  async function listen(server: Server, port: number): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    await sleep(0)
  }
})
