/** The JSON Schema of `holdfast.yaml`, from the same schemas that check it, so that editors complete it. */
import { z } from 'zod'
import { namePattern } from '../manifest.ts'
import { type Kind, type Kinds, strict } from './draft.ts'
import { Host, Name, Nats, Plan, Settings, Source, Vault } from './schema.ts'

/** What may be written into the file, before defaults. Draft 7, which every editor's YAML support knows. */
export function jsonSchemaOf(kinds: Kinds): Record<string, unknown> {
  const file = z.strictObject({
    hosts: section(Host.nullable()).describe('Machines on which sources live. local exists by itself.'),
    plans: section(Plan).describe('When sources are backed up, how long copies are kept and where they go.'),
    sources: section(z.union(kinds.sources.map(kind => member(Source, kind)))).describe('What to protect.'),
    vaults: section(z.union(kinds.vaults.map(kind => member(Vault, kind)))).describe('Places that keep copies.'),
    nats: Nats.nullish().describe('The bus. Without it Holdfast runs one of its own.'),
    settings: Settings.nullish().describe('What rarely needs a change.'),
  })
  const schema = z.toJSONSchema(file, { io: 'input', target: 'draft-7', unrepresentable: 'any', override: asWritten })
  return { ...schema, title: 'holdfast.yaml' }
}

function section<Entry extends z.ZodType>(entry: Entry) {
  return z.record(Name, entry).nullish()
}

/** The keys that every member has, and those of its kind. */
function member(common: typeof Source | typeof Vault, { kind, summary, options }: Kind): z.ZodType {
  const base = { ...common.shape, kind: z.literal(kind).describe(summary) }
  if (!(options instanceof z.ZodObject)) return z.intersection(z.looseObject(base), strict(options)).describe(summary)
  return z.strictObject({ ...base, ...options.shape }).describe(summary)
}

/** Before it is checked, a text may be relative to the file or hold a secret. */
const relativeOrSecret = String.raw`^\.\.?(?:/|$)|\$\{(?:env|file):`

/** The file holds what comes before secrets and paths are put in, and durations as text. */
function asWritten({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.type !== 'string') return
  if (typeof jsonSchema.default === 'number') delete jsonSchema.default
  // Called again for every reuse of a schema.
  const isDone = jsonSchema.pattern === namePattern.source || jsonSchema.pattern?.endsWith(relativeOrSecret)
  if (jsonSchema.pattern && !isDone) jsonSchema.pattern = `${jsonSchema.pattern}|${relativeOrSecret}`
}
