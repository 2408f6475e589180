import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from 'nats'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Bucket, openBucket } from '../../bus/bucket.ts'
import { connectBus } from '../../bus/connect.ts'
import { openExchange } from '../../bus/exchange.ts'
import { acquireLease, leaseTimes, OwnershipLost } from '../../bus/lease.ts'
import { provision, streamNames } from '../../bus/streams.ts'
import { type NatsServer, startNats } from '../services/nats.ts'

const ackWait = 2000
const times = leaseTimes(ackWait)
let server: NatsServer
let connection: NatsConnection
let bucket: Bucket

beforeEach(async () => {
  server = await startNats()
  connection = await connectBus({ url: server.url, name: 'test' })
  await provision(connection, { prefix: 'backup', ackWait })
  bucket = openBucket(connection, streamNames('backup').work, openExchange(connection, 500))
})
afterEach(async () => {
  await connection.close()
  await server.stop()
})

async function taken(key: string, holder = 'me') {
  const lease = await acquireLease(bucket, key, holder, times)
  if (!lease) throw new Error(`${key} is held`)
  return lease
}

test('the times are those of the recipe', () => {
  expect(leaseTimes(30_000)).toEqual({ ttl: 45_000, owned: 35_000 })
})

test('of many who want it one gets it, and after its release the next, with a larger fence', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, (_, place) => acquireLease(bucket, 'a', String(place), times)))
  const [first, ...others] = all.filter(lease => lease !== undefined)
  expect(others).toEqual([])
  await first?.release()
  const second = await taken('a')
  expect(second.fence).toBeGreaterThan(first?.fence ?? Number.POSITIVE_INFINITY)
  await second.release()
})

test('what its holder renews stays its own, longer than the time limit', async () => {
  const lease = await taken('a')
  for (let beat = 0; beat < 8; beat++) {
    await sleep(times.ttl / 6)
    expect(await lease.renew()).toBe(true)
    expect(await acquireLease(bucket, 'a', 'other', times)).toBeUndefined()
  }
  await lease.prove()
  expect(lease.signal.aborted).toBe(false)
  await lease.release()
})

test('without renewals it is lost by our own clock before the server frees it', async () => {
  const lease = await taken('a')
  await new Promise(resolve => lease.signal.addEventListener('abort', resolve))
  expect(lease.signal.reason).toBeInstanceOf(OwnershipLost)
  expect(await acquireLease(bucket, 'a', 'other', times)).toBeUndefined()
  await expect(lease.prove()).rejects.toThrow(OwnershipLost)
  expect(await lease.renew()).toBe(false)
})

test('a lease that somebody else took is lost at once, and its release leaves theirs alone', async () => {
  const lease = await taken('a')
  await bucket.put('a', 'thief')
  expect(await lease.renew()).toBe(false)
  expect(lease.signal.reason).toBeInstanceOf(OwnershipLost)
  await lease.release()
  expect((await bucket.get('a'))?.value).toBe('thief')
})

test('a renewal that failed makes the next proof ask the server again', async () => {
  const lease = await taken('a')
  await server.kill9()
  expect(await lease.renew()).toBe(false)
  expect(lease.doubtful).toBe(true)
  const proof = lease.prove()
  await server.restart()
  await proof
  expect(lease.signal.aborted).toBe(false)
  await lease.release()
})

test('a server that stays away ends the lease, and nothing is proven any more', async () => {
  const lease = await taken('a')
  await server.kill9()
  await lease.renew()
  await expect(lease.prove()).rejects.toThrow(OwnershipLost)
})
