import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connectBus } from '../../bus/connect.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'

requires('nats-server')('the connection', () => {
  let server: NatsServer

  beforeAll(async () => {
    server = await startNats({ token: 'right' })
  })

  afterAll(async () => {
    await server?.stop()
  })

  test('a wrong token is refused at once, waiting for the first connection or not', async () => {
    const refused = {
      name: 'BusUnreachable',
      retryable: false,
      hint: expect.stringContaining('nats.token'),
      message: expect.not.stringContaining('wrong'),
    }
    await expect(connectBus({ url: server.url, token: 'wrong', name: 'test', timeout: 2000 })).rejects.toMatchObject(refused)
    await expect(connectBus({ url: server.url, token: 'wrong', name: 'test' })).rejects.toMatchObject(refused)
  })

  test('a password in the address does not reach the message', async () => {
    const url = 'nats://me:secret@127.0.0.1:1'
    await expect(connectBus({ url, name: 'test', timeout: 2000 })).rejects.toMatchObject({
      message: 'nats: nobody listens at nats://127.0.0.1:1',
    })
  })

  test('where nobody listens, a command hears so at once', async () => {
    await expect(connectBus({ url: 'nats://127.0.0.1:1', name: 'test', timeout: 2000 })).rejects.toMatchObject({
      message: 'nats: nobody listens at nats://127.0.0.1:1',
      retryable: true,
    })
  })

  test('a server that says nothing is given up in time', async () => {
    const silent = createServer(() => {})
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await expect(connectBus({ url: `nats://127.0.0.1:${port}`, name: 'test', timeout: 200 })).rejects.toMatchObject({
      hint: expect.stringContaining('firewall'),
    })
    silent.close()
  })

  test('without a time limit it waits for a server that comes later, and repairs losses', async () => {
    const first = await startNats()
    await first.kill9()
    const connecting = connectBus({ url: first.url, name: 'test' })
    await first.restart()
    const connection = await connecting
    await first.kill9()
    await first.restart()
    await vi.waitFor(() => connection.jetstreamManager({ timeout: 300 }).then(manager => manager.getAccountInfo()), 5000)
    await connection.close()
    await first.stop()
  })
})

requires('nats-server', 'openssl')('encrypted', () => {
  test('a certificate is trusted where its authority is named, and otherwise said with the cure', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
    const [key, ca] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      ca,
      ...names,
    ])
    const secure = await startNats({ config: `tls { cert_file: ${JSON.stringify(ca)}, key_file: ${JSON.stringify(key)} }` })
    const connection = await connectBus({ url: secure.url, ca, name: 'test', timeout: 3000 })
    expect(connection.info?.tls_required).toBe(true)
    await connection.close()
    await expect(connectBus({ url: secure.url, name: 'test', timeout: 3000 })).rejects.toMatchObject({
      retryable: false,
      hint: expect.stringContaining('nats.ca'),
    })
    await expect(
      connectBus({ url: secure.url, ca: join(directory, 'none.pem'), name: 'test', timeout: 3000 }),
    ).rejects.toMatchObject({ message: expect.stringContaining('none.pem') })
    await secure.stop()
    await rm(directory, { recursive: true })
  })
})
