/** The event contract as AsyncAPI 3.0, derived from what functions declare. */
import { z } from 'zod'
import { type Declared, saidBy, takenBy, takesTicks, ticks } from './declared.ts'
import { Envelope, type EventKind } from './event.ts'
import { TickData } from './events.ts'
import { TICK } from './function.ts'
import { tickSubject } from './streams.ts'

export { type Chain, chainOf } from './chain.ts'

type JsonObject = { [key: string]: unknown }

export interface ContractOptions {
  prefix?: string
  version?: string
}

/** The whole contract as a plain JSON document, keys in a stable order. */
export function contractOf(
  functions: readonly Declared[],
  { prefix = 'backup', version = '0.0.0' }: ContractOptions = {},
): JsonObject {
  const known = eventsOf(functions)
  const parts = [tickPart(prefix), ...known.map(event => eventPart(prefix, event))]
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Holdfast',
      version,
      description: 'What Holdfast says on NATS and what it listens to. Derived from its functions.',
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(parts.map(({ type, channel }) => [type, channel])),
    operations: Object.fromEntries(functions.flatMap(operationsOf)),
    components: {
      messages: Object.fromEntries(parts.map(({ type, message }) => [type, message])),
      schemas: Object.assign({}, ...parts.map(({ schemas }) => schemas)),
    },
  }
}

/** Every event that a function says or takes, each once, in the order of the story. */
export function eventsOf(functions: readonly Declared[]): EventKind[] {
  const byType = new Map<string, EventKind>()
  for (const fn of functions) for (const event of [...takenBy(fn), ...saidBy(fn)]) byType.set(event.type, event)
  return [...byType.values()]
}

interface Part {
  type: string
  channel: JsonObject
  message: JsonObject
  schemas: JsonObject
}

function eventPart(prefix: string, event: EventKind): Part {
  const tokens = ['host', 'source', 'id', ...(event.seventh ? [event.seventh] : [])]
  const envelope = Envelope.extend({ type: z.literal(`${prefix}.${event.type}`), data: event.schema })
  return partOf(event.type, envelope, {
    address: [prefix, event.type, ...tokens.map(token => `{${token}}`)].join('.'),
    description: event.once ? 'One outcome of a step: of all of them one is stored, once.' : 'May be said again.',
    parameters: Object.fromEntries(tokens.map(token => [token, { description: `Its ${token}, _ where there is none.` }])),
  })
}

/** Anybody may say this one, as bare JSON or as a CloudEvent. */
function tickPart(prefix: string): Part {
  const anybodys = z.object({
    specversion: z.literal('1.0'),
    id: z.string(),
    source: z.string(),
    type: z.string(),
    data: TickData.optional(),
  })
  const description = '{} means: look what is due. With sources: back these up now. Anybody may say it.'
  return partOf(TICK, z.union([TickData, anybodys]), { address: tickSubject(prefix), description })
}

function partOf(type: string, schema: z.ZodType, channel: JsonObject): Part {
  const { payload, schemas } = jsonSchemaOf(type, schema)
  return {
    type,
    channel: { ...channel, messages: { [type]: reference('components/messages', type) } },
    message: { name: type, contentType: 'application/json', payload },
    schemas,
  }
}

/** A schema's own definitions move to the document's, where their references are looked for. */
function jsonSchemaOf(type: string, schema: z.ZodType): { payload: JsonObject; schemas: JsonObject } {
  const made = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    override: ({ jsonSchema }) => {
      // The format says it; the pattern is a page long.
      if (jsonSchema.format === 'date-time' || jsonSchema.format === 'date') delete jsonSchema.pattern
    },
  })
  const moved: unknown = JSON.parse(JSON.stringify(made).replaceAll('"#/definitions/', `"#/components/schemas/${type}.`))
  const {
    $schema: _,
    definitions = {},
    ...payload
  } = z.looseObject({ definitions: z.record(z.string(), z.unknown()).optional() }).parse(moved)
  return { payload, schemas: Object.fromEntries(Object.entries(definitions).map(([name, value]) => [`${type}.${name}`, value])) }
}

function operationsOf(fn: Declared): [string, JsonObject][] {
  const receives = [...(takesTicks(fn) ? [TICK] : []), ...takenBy(fn).map(({ type }) => type)]
  const sends = [...(ticks(fn) ? [TICK] : []), ...saidBy(fn).map(({ type }) => type)]
  return [
    ...receives.map((type): [string, JsonObject] => [`${fn.name}.receives.${type}`, operation('receive', type)]),
    ...sends.map((type): [string, JsonObject] => [`${fn.name}.sends.${type}`, operation('send', type)]),
  ]
}

function operation(action: 'send' | 'receive', type: string): JsonObject {
  return { action, channel: reference('channels', type), messages: [reference(`channels/${type}/messages`, type)] }
}

function reference(place: string, name: string): JsonObject {
  return { $ref: `#/${place}/${name}` }
}
