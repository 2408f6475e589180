import { once } from 'node:events'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { findProgram } from '../../bus/embedded/home.ts'
import { defaultStateDirectory, findBus, startEmbedded } from '../../bus/embedded.ts'
import { openPlace, type Place } from '../services/embedded.ts'
import { requires } from '../services/requires.ts'

requires(
  'nats-server',
  'setpriv',
  'flock',
)('the embedded bus', () => {
  let place: Place

  beforeEach(async () => {
    place = await openPlace()
  })

  afterEach(async () => {
    await place.close()
  })

  describe('one owner', () => {
    test('starts a server that only our token opens, and everybody on this machine finds it', async () => {
      expect(await findBus(place.stateDirectory)).toBeUndefined()
      const bus = await place.start()
      expect(bus).toMatchObject({
        adopted: false,
        url: expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/),
        token: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
      expect(await findBus(place.stateDirectory)).toEqual({ url: bus.url, token: bus.token })
      await expect(connectBus({ url: bus.url, token: 'guess', name: 'test', timeout: 1000 })).rejects.toMatchObject({
        retryable: false,
      })
      const record = JSON.parse(await readFile(join(place.stateDirectory, 'bus.json'), 'utf8'))
      expect(record).toEqual({ url: bus.url, token: bus.token, pid: bus.pid, started: expect.any(String) })
      await bus.stop()
      expect(() => process.kill(bus.pid, 0)).toThrow('ESRCH')
      expect(await findBus(place.stateDirectory)).toBeUndefined()
    })

    test('keeps secrets to itself', async () => {
      const bus = await place.start()
      expect((await stat(place.stateDirectory)).mode & 0o777).toBe(0o700)
      expect((await stat(join(place.stateDirectory, 'nats'))).mode & 0o777).toBe(0o700)
      for (const file of ['bus.json', 'nats/nats.conf', 'nats/token'])
        expect((await stat(join(place.stateDirectory, file))).mode & 0o777, file).toBe(0o600)
      expect(await readFile(`/proc/${bus.pid}/cmdline`, 'utf8')).not.toContain(bus.token)
    })

    test('is out of reach of Ctrl-C on our terminal', async () => {
      const bus = await place.start()
      const [, group] = /\) \S+ \d+ (\d+)/.exec(await readFile(`/proc/${bus.pid}/stat`, 'utf8')) ?? []
      expect(Number(group)).toBe(bus.pid)
    })

    test('comes back on the same port with the same token and facts', async () => {
      const first = await place.start()
      await place.storeFact(first)
      await first.stop()
      const second = await place.start()
      expect(second).toMatchObject({ url: first.url, token: first.token, adopted: false })
      expect(await place.storedFact(second)).toBe('kept')
    })

    test('takes another port where somebody else has the old one', async () => {
      const first = await place.start()
      await first.stop()
      const stranger = createServer()
      stranger.listen(Number(new URL(first.url).port), '127.0.0.1')
      await once(stranger, 'listening')
      place.cleanups.push(async () => stranger.close())
      const second = await place.start()
      expect(second.url).not.toBe(first.url)
      expect(await findBus(place.stateDirectory)).toEqual({ url: second.url, token: first.token })
    })

    test('removes what the dead left, and does without a damaged bus.json', async () => {
      const first = await place.start()
      await first.stop()
      await writeFile(join(place.stateDirectory, 'nats', 'nats-server_4194300.ports'), '{"nats":["nats://127.0.0.1:1"]}')
      await writeFile(join(place.stateDirectory, 'nats', 'token.4194300.0123abcd'), 'half')
      await writeFile(join(place.stateDirectory, 'bus.json'), '{"url":')
      const second = await place.start()
      expect(second.token).toBe(first.token)
      expect((await readdir(join(place.stateDirectory, 'nats'))).filter(name => name.endsWith('.ports'))).toEqual([
        `nats-server_${second.pid}.ports`,
      ])
    })

    test('replaces its server after kill -9, with the facts, and clients come back by themselves', async () => {
      const bus = await place.start()
      await place.storeFact(bus)
      const connection = await place.connected(bus)
      const killed = bus.pid
      process.kill(killed, 'SIGKILL')
      await vi.waitFor(() => expect(bus.pid).not.toBe(killed), 5000)
      expect(await place.storedFact(bus)).toBe('kept')
      await vi.waitFor(() => connection.jetstream({ timeout: 300 }).publish('backup.export.done.h.s.j', 'new'), 5000)
    })
  })

  describe('errors', () => {
    test('a missing nats-server is said with the cure', async () => {
      vi.stubEnv('PATH', place.home)
      place.cleanups.push(async () => vi.unstubAllEnvs())
      await expect(findProgram('nats-server', [])).rejects.toMatchObject({
        message: 'bus: nats-server is not installed',
        hint: expect.stringContaining('apt install nats-server'),
      })
    })

    test('a state directory that cannot be one is said with the cure', async () => {
      await writeFile(place.stateDirectory, 'a file')
      await expect(startEmbedded({ stateDirectory: place.stateDirectory })).rejects.toMatchObject({
        message: expect.stringContaining(place.stateDirectory),
        hint: expect.stringContaining('--state'),
        retryable: false,
      })
    })

    test('a server that cannot start is said with where to look', async () => {
      await (await place.start()).stop()
      const store = join(place.stateDirectory, 'nats', 'store')
      await rm(join(store, 'jetstream'), { recursive: true })
      await writeFile(join(store, 'jetstream'), 'not a directory')
      await expect(startEmbedded({ stateDirectory: place.stateDirectory })).rejects.toMatchObject({
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
})
