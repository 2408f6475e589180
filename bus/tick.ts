/** Ticks: bare JSON or a CloudEvent, from anybody. Whatever comes is either understood or answered with why not. */
import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { MAXIMUM_FACT_BYTES } from './event.ts'
import { TickData } from './events.ts'
import type { Tick } from './function.ts'

/** How much of a rejected tick is quoted, in bytes of UTF-8. */
const QUOTED = 1024

const EXAMPLE = 'For example {"sources":["zeus"],"reason":"before upgrade"}, or {} for whatever is due.'

/** A CloudEvent of anybody's: what the standard asks for, whatever else it carries. */
const ForeignEnvelope = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  data: z.unknown().optional(),
  data_base64: z.undefined('is not understood here; put JSON into data').optional(),
})

/** Reads a tick. Never throws: what is not understood carries the reason and its first kilobyte, safe to print. */
export function parseTick(bytes: Uint8Array): Tick {
  if (bytes.length === 0) return { data: {}, clock: false }
  try {
    if (bytes.length > MAXIMUM_FACT_BYTES) throw new NotATick(`it has ${bytes.length} bytes; ticks end at ${MAXIMUM_FACT_BYTES}`)
    return understand(jsonOf(bytes))
  } catch (error) {
    if (!(error instanceof NotATick)) throw error
    return { error: `not understood as a tick: ${error.message}. ${EXAMPLE}`, input: quoteBytes(bytes) }
  }
}

export interface TickOptions {
  prefix: string
  /** Who says it: `clock`, `trigger`. */
  speaker: string
  /** The same tick said twice has the same id. */
  id: string
  time: Date
}

/** A tick as we publish it ourselves: a CloudEvent. */
export function encodeTick(data: TickData, { prefix, speaker, id, time }: TickOptions): Uint8Array {
  const envelope = {
    specversion: '1.0',
    id,
    source: `urn:holdfast:${prefix}:${speaker}`,
    type: `${prefix}.tick`,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    data: TickData.parse(data),
  }
  return new TextEncoder().encode(JSON.stringify(envelope))
}

class NotATick extends Error {}

function understand(value: unknown): Tick {
  if (!isRecord(value)) throw new NotATick(`it is ${kindOf(value)}, not an object`)
  if (!('specversion' in value)) return { data: dataOf(value), clock: false }
  const envelope = ForeignEnvelope.safeParse(value)
  if (!envelope.success) throw new NotATick(`as a CloudEvent, ${describe(envelope.error, value)}`)
  const { source, type, data } = envelope.data
  return {
    data: dataOf(data ?? {}),
    clock: type.endsWith('.tick') && source === `urn:holdfast:${type.slice(0, -'.tick'.length)}:clock`,
  }
}

function dataOf(value: unknown): TickData {
  const result = TickData.safeParse(value)
  if (result.success) return result.data
  throw new NotATick(describe(result.error, value))
}

function describe(error: z.ZodError, value: unknown): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'it is invalid'
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys)
  const path = issue.path.map(String).join('.')
  if (issue.path.length === 0) return `its data is ${kindOf(value)}, not an object`
  return `${quoteText(path)}: ${issue.message}`
}

function unknownKeys([first = '', ...others]: string[]): string {
  const known = Object.keys(TickData.shape)
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  return `unknown key ${quoteText(first)}${more}; did you mean ${closest(first.slice(0, 100), known)}? Known are ${known.join(', ')}`
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new NotATick('it is not JSON')
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function quoteText(text: string): string {
  return `"${quoteBytes(new TextEncoder().encode(text.slice(0, 100)))}"`
}

/** Anybody's bytes as text that no terminal and no log reader obeys. */
function quoteBytes(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, QUOTED)).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
  if (bytes.length <= QUOTED && Buffer.byteLength(text) <= QUOTED) return text
  return `${new TextDecoder().decode(Buffer.from(text).subarray(0, QUOTED - 6)).replace(/\uFFFD$/, '')}…`
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
