/** A wire that can be cut: nothing gets through, and neither end is told. What was on its way arrives once it is healed. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Wire extends AsyncDisposable {
  readonly url: string
  cut(): void
  heal(): void
  /** What the client has sent that came through since the cut. */
  sent(): string
}

export async function openWire(port: number): Promise<Wire> {
  const sockets = new Set<Socket>()
  let whole = true
  let said = ''
  const pass = (from: Socket, to: Socket, listen: (chunk: Buffer) => void) => {
    sockets.add(from)
    if (!whole) from.pause()
    from.on('data', chunk => {
      listen(chunk)
      to.write(chunk)
    })
    from.on('end', () => to.end())
    // Whoever gave up is no news; the other end is closed with it.
    from.on('error', () => to.destroy())
    from.on('close', () => sockets.delete(from))
  }
  const server = createServer(client => {
    const upstream = connect(port, '127.0.0.1')
    pass(client, upstream, chunk => {
      said += chunk.toString('latin1')
    })
    pass(upstream, client, () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as AddressInfo
  return {
    url: `nats://127.0.0.1:${own}`,
    cut() {
      whole = false
      said = ''
      for (const socket of sockets) socket.pause()
    },
    heal() {
      whole = true
      for (const socket of sockets) socket.resume()
    },
    sent: () => said,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
