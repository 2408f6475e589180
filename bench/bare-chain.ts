/** What the bus alone costs: as many hops as a backup has steps, each a stored message that is pulled, answered and acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, type JetStreamClient, type NatsConnection } from 'nats'

export interface BareChain {
  /** Sends so many messages down the chain; resolves when the last one has come out. */
  send(count: number): Promise<void>
  stop(): Promise<void>
}

/** plan, snapshot, export, verify, replicate, prune, report. */
const HOPS = 7
const STREAM = 'BARE'

/** `slots`: pull loops per hop. */
export async function openBareChain(connection: NatsConnection, slots: number): Promise<BareChain> {
  const jsm = await connection.jetstreamManager()
  const js = connection.jetstream()
  await jsm.streams.add({ name: STREAM, subjects: ['bare.>'] })
  let running = true
  let sent = 0
  const hop = async (from: number) => {
    const consumer = await js.consumers.get(STREAM, `hop-${from}`)
    while (running) {
      const message = await consumer.next({ expires: 1000 })
      if (!message) continue
      const id = message.subject.split('.').at(-1)
      await js.publish(`bare.${from + 1}.${id}`, message.data, { msgID: `${from + 1}.${id}` })
      message.ack()
    }
  }
  const loops: Promise<void>[] = []
  for (let from = 0; from < HOPS; from++) {
    const filter = { filter_subject: `bare.${from}.>`, ack_policy: AckPolicy.Explicit }
    await jsm.consumers.add(STREAM, { durable_name: `hop-${from}`, ...filter })
    for (let slot = 0; slot < slots; slot++) loops.push(hop(from))
  }
  return {
    async send(count) {
      const out = connection.subscribe(`bare.${HOPS}.>`, { max: count })
      await connection.flush()
      const all = (async () => {
        for await (const _ of out);
      })()
      await publishAll(js, count, () => `bare.0.${sent++}`)
      await all
    },
    async stop() {
      running = false
      await Promise.race([Promise.all(loops), sleep(5000)])
    },
  }
}

/** Data as large as a fact in the middle of the chain. */
const data = new Uint8Array(1200)

async function publishAll(js: JetStreamClient, count: number, subject: () => string): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => js.publish(subject(), data)))
}
