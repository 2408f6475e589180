/** Facts: how they are declared, named, put on the wire as CloudEvents, and read back strictly. */
import { z } from 'zod'

/** What every fact's data may say about whom it concerns; missing parts are `_` in the subject. */
export interface Concern {
  host?: string | undefined
  source?: string | undefined
  id?: string | undefined
}

/** An event without its constructor: what the bus needs to know of any of them. */
export interface EventKind<Data extends Concern = Concern, Type extends string = string> {
  /** The function that publishes it. */
  readonly step: string
  readonly outcome: string
  /** `export.done`. On the bus the prefix stands before it. */
  readonly type: Type
  readonly schema: z.ZodType<Data>
  /** True for the outcomes of a step of a run: of all of them together one is stored, once. */
  readonly once: boolean
  /** The data's field that is the seventh token of the subject, for what may repeat for one backup. */
  readonly seventh: string | undefined
  /** The data's field that, with the backup, makes two facts the same, whoever says them; undefined: each cause says its own. */
  readonly same: string | undefined
}

/** Called with data it makes the fact: `events.export.done({ … })`. */
export interface Event<Data extends Concern = Concern, Type extends string = string> extends EventKind<Data, Type> {
  (data: Data): Fact<Data, Type>
}

export interface Fact<Data extends Concern = Concern, Type extends string = string> {
  readonly event: EventKind<Data, Type>
  readonly data: Data
}

export type DataOf<E> = E extends EventKind<infer Data> ? Data : never
export type FactOf<E> = E extends EventKind<infer Data, infer Type> ? Fact<Data, Type> : never

export interface EventOptions {
  once?: boolean
  seventh?: string
  same?: string
}

export function defineEvent<Data extends Concern, Step extends string, Outcome extends string>(
  step: Step,
  outcome: Outcome,
  schema: z.ZodType<Data>,
  { once = false, seventh, same }: EventOptions = {},
): Event<Data, `${Step}.${Outcome}`> {
  const type: `${Step}.${Outcome}` = `${step}.${outcome}`
  const kind = { step, outcome, type, schema, once, seventh, same }
  return Object.assign((data: Data) => ({ event: kind, data }), kind)
}

/** CloudEvents 1.0, structured JSON. `subject` is the backup's id; `causeid` the event this one answers. */
export const Envelope = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  subject: z.string().optional(),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json').optional(),
  causeid: z.string().optional(),
  traceparent: z.string().optional(),
  /** Checked against the schema of the event that its subject names. */
  data: z.unknown(),
})
export type Envelope = z.infer<typeof Envelope>

/** A message that is not a fact of ours, and why. Trying again cannot help. */
export class MalformedFact extends Error {
  override name = 'MalformedFact'
  readonly retryable = false
}

/** The subject of a fact: `backup.export.done.local.docs.docs-20261121T020000Z`. */
export function subjectOf(prefix: string, { event, data }: Fact): string {
  const tokens = [prefix, event.step, event.outcome, data.host ?? '_', data.source ?? '_', data.id ?? '_']
  if (event.seventh) tokens.push(tokenOf(data, event.seventh))
  return tokens.join('.')
}

/** The subjects of one event on one host (`*`: on all). */
export function filterOf(prefix: string, event: EventKind, host: string): string {
  return `${prefix}.${event.type}.${host}.>`
}

/** All outcomes of one step of one backup share one id, so that the stream keeps the first; what may repeat is mostly one per cause. */
export function messageId(fact: Fact, cause: string): string {
  const { event, data } = fact
  if (isSettling(fact)) return `${event.step}.${data.id}`
  const seventh = event.seventh ? `.${tokenOf(data, event.seventh)}` : ''
  return `${event.type}.${data.host ?? '_'}.${data.source ?? '_'}.${data.id ?? '_'}${seventh}.${event.same ? tokenOf(data, event.same) : cause}`
}

/** Whether this fact settles a step of a run. A message that named no backup settles nothing. */
export function isSettling({ event, data }: Fact): boolean {
  return event.once && data.id !== undefined
}

/** Facts are small; lists that can grow belong in a file beside the manifest. */
export const MAXIMUM_FACT_BYTES = 64 * 1024

export interface EncodeOptions {
  prefix: string
  /** The function and host that speak. */
  speaker: string
  cause: string
  time: Date
}

/** Throws where the data is not what the event's schema says, or too large. */
export function encode(fact: Fact, { prefix, speaker, cause, time }: EncodeOptions): Uint8Array {
  const envelope = {
    specversion: '1.0',
    id: messageId(fact, cause),
    source: `urn:holdfast:${prefix}:${speaker}`,
    type: `${prefix}.${fact.event.type}`,
    ...(fact.data.id ? { subject: fact.data.id } : {}),
    time: time.toISOString(),
    datacontenttype: 'application/json',
    causeid: cause,
    data: fact.event.schema.parse(fact.data),
  }
  const bytes = Buffer.from(JSON.stringify(envelope))
  if (bytes.length <= MAXIMUM_FACT_BYTES) return bytes
  throw new MalformedFact(
    `${fact.event.type} of ${fact.data.id ?? '_'} has ${bytes.length} bytes; facts end at ${MAXIMUM_FACT_BYTES}`,
  )
}

export interface Decoded<Data extends Concern> {
  envelope: Envelope
  data: Data
}

/**
 * Reads a message strictly: the envelope, its type against the subject, the data against the schema, and the subject that
 * this data would have against the one it came on. A reply subject is not permission-checked by the server, so a message
 * on our subject may be anybody's.
 */
export function decode<Data extends Concern>(
  prefix: string,
  event: EventKind<Data>,
  subject: string,
  bytes: Uint8Array,
): Decoded<Data> {
  const envelope = parse(Envelope, json(bytes, subject), subject)
  if (envelope.type !== `${prefix}.${event.type}`) throw new MalformedFact(`${subject}: carries the type ${quote(envelope.type)}`)
  const data = parse(event.schema, envelope.data, subject)
  if (!isOfItsSource(data)) throw new MalformedFact(`${subject}: ${quote(data.id ?? '')} is no backup of ${data.source}`)
  const expected = subjectOf(prefix, { event, data })
  if (expected !== subject) throw new MalformedFact(`${subject}: its data belongs on ${expected}`)
  return { envelope, data }
}

/** The host, source, id and seventh token that a subject names, for what cannot be read otherwise. What is no name of ours is left out. */
export function concernOf(prefix: string, subject: string, seventh?: string): Concern & Record<string, string | undefined> {
  const [, , host, source, id, last] = subject.slice(prefix.length + 1).split('.')
  const named = (token: string | undefined) => (token && /^[a-z0-9][a-z0-9_-]*$/.test(token) ? token : undefined)
  const backup = id && /^[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z$/.test(id) ? id : undefined
  const believed = isOfItsSource({ source: named(source), id: backup }) ? backup : undefined
  const more = seventh ? { [seventh]: named(last) ?? 'unnamed' } : {}
  return { host: named(host), source: named(source), id: believed, ...more }
}

/** An id begins with its source's name; another one's would settle that one's step. */
function isOfItsSource({ source, id }: Concern): boolean {
  return source === undefined || id === undefined || id.replace(/-\d{8}T\d{6}Z$/, '') === source
}

function tokenOf(data: Concern, field: string): string {
  const value: unknown = Object.entries(data).find(([key]) => key === field)?.[1]
  if (typeof value !== 'string' || !/^[A-Za-z0-9_-]+$/.test(value))
    throw new MalformedFact(`${field} is no subject token: ${quote(String(value))}`)
  return value
}

const strict = new TextDecoder('utf-8', { fatal: true })
function json(bytes: Uint8Array, subject: string): unknown {
  try {
    return JSON.parse(strict.decode(bytes))
  } catch (error) {
    throw new MalformedFact(`${subject}: not JSON`, { cause: error })
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, subject: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new MalformedFact(`${subject}: ${issue?.path.join('.') || 'the message'}: ${issue?.message ?? 'invalid'}`)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}
