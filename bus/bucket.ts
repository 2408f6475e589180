/**
 * A KV bucket by its subjects. The client's own view asks more often than needed and makes an error, with its stack, of every
 * key that is not there; what a chain does a hundred times a second is done here with one message each way.
 */
import { headers, type MsgHdrs, type NatsConnection } from 'nats'
import { EXPECTED_SEQUENCE, type Exchange, exchangeOf } from './exchange.ts'
import { outboxOf } from './outbox.ts'
import { isOvertaken } from './overtaken.ts'

export interface Entry {
  value: string
  revision: number
  /** Deleted: only its revision counts. */
  deleted: boolean
}

export interface Bucket {
  get(key: string): Promise<Entry | undefined>
  /** The new revision; undefined where the key is there. */
  create(key: string, value: string): Promise<number | undefined>
  /** Rejects with the server's refusal where the revision is not that one any more. */
  update(key: string, value: string, revision: number): Promise<number>
  put(key: string, value: string): Promise<void>
  /** False where the revision is not that one any more. */
  remove(key: string, revision: number): Promise<boolean>
  /** The same without waiting for the answer. */
  abandon(key: string, revision: number): void
}

const OPERATION = 'KV-Operation'

export function openBucket(connection: NatsConnection, name: string, exchange: Exchange = exchangeOf(connection)): Bucket {
  const subject = (key: string) => `$KV.${name}.${key}`
  const write = async (key: string, value: string, revision?: number, operation?: string) =>
    (await exchange.store(subject(key), value, conditions(revision, operation))).seq
  const get: Bucket['get'] = async key => {
    const answer = await exchange.ask(`$JS.API.DIRECT.GET.KV_${name}.${subject(key)}`)
    if (answer.headers?.code === 404) return undefined
    if (answer.headers?.code)
      throw new Error(`${subject(key)}: direct get answered ${answer.headers.code} ${answer.headers.description}`)
    const revision = Number(answer.headers?.get('Nats-Sequence'))
    return { value: answer.string(), revision, deleted: Boolean(answer.headers?.get(OPERATION)) }
  }
  return {
    get,
    async create(key, value) {
      const first = await unlessOvertaken(() => write(key, value, 0))
      if (first !== undefined) return first
      const found = await get(key)
      if (found && !found.deleted) return undefined
      return unlessOvertaken(() => write(key, value, found?.revision ?? 0))
    },
    update: (key, value, revision) => write(key, value, revision),
    async put(key, value) {
      await write(key, value)
    },
    async remove(key, revision) {
      return (await unlessOvertaken(() => write(key, '', revision, 'DEL'))) !== undefined
    },
    abandon(key, revision) {
      outboxOf(connection).send(subject(key), '', { headers: conditions(revision, 'DEL') })
    },
  }
}

function conditions(revision: number | undefined, operation: string | undefined): MsgHdrs {
  const all = headers()
  if (revision !== undefined) all.set(EXPECTED_SEQUENCE, String(revision))
  if (operation !== undefined) all.set(OPERATION, operation)
  return all
}

async function unlessOvertaken(write: () => Promise<number>): Promise<number | undefined> {
  try {
    return await write()
  } catch (error) {
    if (isOvertaken(error)) return undefined
    throw error
  }
}
