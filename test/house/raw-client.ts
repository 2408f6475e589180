/** A client that knows nothing of this code: the text protocol of NATS over TCP, as anybody could write it from its documentation. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RawMessage {
  subject: string
  headers: string
  body: string
}

export interface RawClient extends AsyncDisposable {
  publish(subject: string, body: string | Uint8Array, reply?: string): Promise<void>
  /** Publishes with a reply subject, and gives back every answer that comes until some time after the first. */
  request(subject: string, body: string | Uint8Array): Promise<RawMessage[]>
}

/** How long a second answer may take, ms. */
const SECOND_ANSWER = 150

export async function rawClient({ port, headers = false }: { port: number; headers?: boolean }): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1')
  const messages: RawMessage[] = []
  const pongs: (() => void)[] = []
  readLines(socket, messages, pongs)
  await once(socket, 'connect')
  socket.write(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, headers, lang: 'raw', version: '1' })}\r\n`)
  /** The server answers in order: once it did, it has what came before. */
  const ping = () =>
    new Promise<void>(resolve => {
      pongs.push(resolve)
      socket.write('PING\r\n')
    })
  const publish = async (subject: string, body: string | Uint8Array, reply = '') => {
    const bytes = Buffer.from(body)
    socket.write(Buffer.concat([Buffer.from(`PUB ${subject} ${reply} ${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]))
    await ping()
  }
  let inboxes = 0
  return {
    publish,
    async request(subject, body) {
      const inbox = `raw.answers.${randomUUID()}`
      socket.write(`SUB ${inbox} ${++inboxes}\r\n`)
      await publish(subject, body, inbox)
      const mine = () => messages.filter(message => message.subject === inbox)
      for (const until = Date.now() + 20_000; !mine().length && Date.now() < until; ) await sleep(10)
      await sleep(SECOND_ANSWER)
      return mine()
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
    },
  }
}

function readLines(socket: Socket, messages: RawMessage[], pongs: (() => void)[]): void {
  let unread = Buffer.alloc(0)
  socket.on('data', chunk => {
    unread = Buffer.concat([unread, chunk])
    for (let end = unread.indexOf('\r\n'); end >= 0; end = unread.indexOf('\r\n')) {
      const [verb = '', subject = '', ...rest] = unread.subarray(0, end).toString().split(' ')
      const length = verb === 'MSG' || verb === 'HMSG' ? Number(rest.at(-1)) : -2
      if (unread.length < end + length + 4) return
      const content = unread.subarray(end + 2, end + 2 + Math.max(length, 0)).toString()
      const head = verb === 'HMSG' ? Number(rest.at(-2)) : 0
      if (length >= 0) messages.push({ subject, headers: content.slice(0, head), body: content.slice(head) })
      unread = unread.subarray(end + length + 4)
      if (verb === 'PING') socket.write('PONG\r\n')
      if (verb === 'PONG') pongs.shift()?.()
      if (verb === '-ERR') socket.destroy(new Error(`${subject} ${rest.join(' ')}`))
    }
  })
}
