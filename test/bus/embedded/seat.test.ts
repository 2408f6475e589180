import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findBus } from '../../../bus/embedded.ts'
import { kill9, openPlace, type Place } from '../../services/embedded.ts'
import { requires } from '../../services/requires.ts'

requires(
  'nats-server',
  'setpriv',
  'flock',
)('several processes on one store', () => {
  let place: Place

  beforeEach(async () => {
    place = await openPlace()
  })

  afterEach(async () => {
    await place.close()
  })

  const isGone = (pid: number) =>
    vi.waitFor(() => {
      expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    }, 5000)

  test('kill -9 of the owner ends its server', async () => {
    const { process: owner, bus } = await place.startProcess()
    await kill9(owner)
    await isGone(bus.pid)
  })

  test('so it does where the kernel does not offer that', async () => {
    const { process: owner, bus } = await place.startProcess('pipe')
    await place.storeFact(bus)
    await kill9(owner)
    await isGone(bus.pid)
    const next = await place.start('pipe')
    expect(next).toMatchObject({ adopted: false, url: bus.url })
    expect(await place.storedFact(next)).toBe('kept')
    const joined = await place.start()
    expect(joined.adopted).toBe(true)
    await next.stop()
    await vi.waitFor(() => expect(joined.adopted).toBe(false), 5000)
  })

  test('a second start joins the first, and its end does not disturb it', async () => {
    const first = await place.start()
    const second = await place.start()
    expect(second).toMatchObject({ adopted: true, url: first.url, token: first.token, pid: first.pid })
    await second.stop()
    expect(await findBus(place.stateDirectory)).toEqual({ url: first.url, token: first.token })
    expect(first.adopted).toBe(false)
  })

  test('of several that start at once, one owns and the others join it', async () => {
    const all = await Promise.all([place.start(), place.start(), place.start(), place.start()])
    expect(all.filter(bus => !bus.adopted)).toHaveLength(1)
    expect(new Set(all.map(bus => `${bus.url} ${bus.token} ${bus.pid}`)).size).toBe(1)
  })

  test('when the owner dies, one of those who joined takes over on the same port', async () => {
    const { process: owner, bus } = await place.startProcess()
    await place.storeFact(bus)
    const [second, third] = [await place.start(), await place.start()]
    expect([second.adopted, third.adopted]).toEqual([true, true])
    const connection = await place.connected(bus)
    await kill9(owner)
    await vi.waitFor(() => expect([second.adopted, third.adopted].sort()).toEqual([false, true]), 5000)
    const heir = second.adopted ? third : second
    expect(heir.url).toBe(bus.url)
    await vi.waitFor(() => expect([second.pid, third.pid]).toEqual([heir.pid, heir.pid]), 5000)
    await vi.waitFor(() => connection.jetstream({ timeout: 300 }).publish('backup.export.done.h.s.j', 'new'), 5000)
    expect(await place.storedFact(heir)).toBe('kept')
  })
})
