/**
 * Questions to the server, answered over one lasting subscription. The client's own `request` makes an error with its stack, three
 * promises and a random name for every answer, which were a seventh of our time; a chain asks three questions a step.
 */
import { ErrorCode, Events, type Msg, type MsgHdrs, type NatsConnection, NatsError } from 'nats'
import { z } from 'zod'
import { newInbox } from './connect.ts'
import { outboxOf } from './outbox.ts'

export interface Exchange {
  /** Rejects with the client's own errors: TIMEOUT, 503 where nobody listens, PERMISSIONS_VIOLATION. */
  ask(subject: string, data?: Uint8Array | string, headers?: MsgHdrs): Promise<Msg>
  /** Publishes into a stream. Rejects with what the server has against it as `api_error`. */
  store(subject: string, data: Uint8Array | string, headers?: MsgHdrs): Promise<StoredAt>
}

export interface StoredAt {
  seq: number
  /** A message with this id was stored before, under any subject. */
  duplicate: boolean
}

interface Question {
  subject: string
  timer: NodeJS.Timeout
  resolve(answer: Msg): void
  reject(error: Error): void
}

/** A question that takes longer than this, ms, has failed; whether a lease still holds is then for its holder's own clock to say. */
const ANSWER_LIMIT = 4000

/** Header: the stream keeps the first message of each id. */
export const MESSAGE_ID = 'Nats-Msg-Id'
/** Header: refused unless the last message on the subject is that one; 0 means that there is none. */
export const EXPECTED_SEQUENCE = 'Nats-Expected-Last-Subject-Sequence'

const exchanges = new WeakMap<NatsConnection, Exchange>()

/** The one exchange of a connection. */
export function exchangeOf(connection: NatsConnection): Exchange {
  const open = exchanges.get(connection) ?? openExchange(connection)
  exchanges.set(connection, open)
  return open
}

/** What waits for an answer survives a reconnection: the client sends both the question and the subscription again. */
export function openExchange(connection: NatsConnection, limit = ANSWER_LIMIT): Exchange {
  const inbox = `${newInbox(connection)}.`
  const outbox = outboxOf(connection)
  const asked = new Map<string, Question>()
  let count = 0
  const take = (token: string): Question | undefined => {
    const question = asked.get(token)
    asked.delete(token)
    clearTimeout(question?.timer)
    return question
  }
  const failAll = (code: ErrorCode, of: (question: Question) => boolean = () => true) => {
    for (const [token, question] of asked) if (of(question)) take(token)?.reject(errorOf(code, question.subject))
  }
  const answered = (error: NatsError | null, answer: Msg) => {
    if (error) return failAll(ErrorCode.PermissionsViolation)
    const question = take(answer.subject.slice(inbox.length))
    const nobody = answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS
    if (nobody) question?.reject(errorOf(ErrorCode.NoResponders, question.subject))
    else question?.resolve(answer)
  }
  connection.subscribe(`${inbox}*`, { callback: answered })
  void refusals(connection, refused => failAll(ErrorCode.PermissionsViolation, ({ subject }) => subject === refused))
  void connection.closed().then(() => failAll(ErrorCode.ConnectionClosed))

  const ask: Exchange['ask'] = (subject, data, headers) =>
    new Promise((resolve, reject) => {
      const token = (count++).toString(36)
      const timer = setTimeout(() => take(token)?.reject(errorOf(ErrorCode.Timeout, subject)), limit)
      asked.set(token, { subject, timer, resolve, reject })
      const failed = (error: unknown) => {
        take(token)
        reject(error)
      }
      outbox.send(subject, data, { reply: inbox + token, ...(headers ? { headers } : {}) }, failed)
    })
  return { ask, store: async (subject, data, headers) => readAck(await ask(subject, data, headers)) }
}

const NO_RESPONDERS = 503

function errorOf(code: ErrorCode, subject: string): NatsError {
  return new NatsError(code === ErrorCode.Timeout ? `no answer from ${subject}` : `${subject}: ${code}`, code)
}

/** A question that may not be asked gets no answer: the refusal comes by itself, naming its subject. */
async function refusals(connection: NatsConnection, refused: (subject: string) => void): Promise<void> {
  for await (const { type, permissionContext } of connection.status())
    if (type === Events.Error && permissionContext?.operation === 'publish') refused(permissionContext.subject)
}

const Ack = z.union([
  z.object({ error: z.object({ code: z.number(), err_code: z.number(), description: z.string() }) }),
  z.object({ seq: z.number(), duplicate: z.boolean().optional() }),
])

function readAck(answer: Msg): StoredAt {
  const ack = Ack.parse(answer.json())
  if (!('error' in ack)) return { seq: ack.seq, duplicate: ack.duplicate ?? false }
  const refusal = new NatsError(ack.error.description, String(ack.error.code))
  refusal.api_error = ack.error
  throw refusal
}
