/** The reference of `holdfast.yaml` as Markdown, from its JSON Schema: what checks the file also documents it. */
import { z } from 'zod'
import { durationPattern, sizePattern } from '../duration.ts'
import { namePattern } from '../manifest.ts'
import { introduction } from './introduction.ts'
import { Source, Vault } from './schema.ts'

/** As much of a JSON Schema as ours uses. */
const Node = z.looseObject({
  type: z.string().optional(),
  description: z.string().default(''),
  default: z.json().optional(),
  const: z.string().optional(),
  enum: z.array(z.string()).default([]),
  pattern: z.string().default(''),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  required: z.array(z.string()).default([]),
  get properties() {
    return z.record(z.string(), Node).default({})
  },
  get anyOf() {
    return z.array(Node).default([])
  },
  get items() {
    return z.union([Node, z.array(Node)]).optional()
  },
  get additionalProperties() {
    return z.union([z.boolean(), Node]).optional()
  },
})
type Node = z.output<typeof Node>

/** Takes what `jsonSchema()` gives. */
export function referenceOf(schema: Record<string, unknown>): string {
  const sections = Object.entries(Node.parse(schema).properties)
  return [introduction, ...sections.map(([name, node]) => sectionText(name, node))].join('\n')
}

function sectionText(name: string, node: Node): string {
  const title = [`## ${name}`, `${node.description}${isNamed(node) ? ' By name.' : ''}`]
  return `${[...title, ...bodyOf(name, node)].join('\n\n')}\n`
}

function bodyOf(name: string, node: Node): string[] {
  const entry = entryOf(node)
  const shared = { sources: Source.shape, vaults: Vault.shape }[name]
  if (!shared) return [table(rowsOf(entry))]
  const kinds = entry.anyOf.length > 0 ? entry.anyOf : [entry]
  const common = table(rowsOf(kinds[0] ?? entry, key => key in shared && key !== 'kind'))
  return [`Whatever the kind:`, common, ...kinds.flatMap(kind => kindText(kind, key => !(key in shared)))]
}

function kindText(node: Node, isOwn: (key: string) => boolean): string[] {
  return [`### kind: ${node.properties.kind?.const ?? 'any'}`, node.description, table(rowsOf(node, isOwn))]
}

/** Keys and what is below them: `keep.daily`. */
function rowsOf(node: Node, isWanted: (key: string) => boolean = () => true, above = ''): string[] {
  return Object.entries(node.properties)
    .filter(([key]) => isWanted(key))
    .flatMap(([key, value]) => [
      `| \`${above}${key}\` | ${cell(typeOf(value))} | ${cell(meaningOf(value, node.required.includes(key)))} |`,
      ...rowsOf(value, undefined, `${above}${key}.`),
    ])
}

function table(rows: readonly string[]): string {
  return ['| key | value | meaning |', '|---|---|---|', ...rows].join('\n')
}

function meaningOf({ description, default: value }: Node, isRequired: boolean): string {
  if (isRequired) return `**Required.** ${description}`
  const isSaid = value === undefined || /\bDefault\b/.test(description) || /^(\[\]|\{\})$/.test(JSON.stringify(value))
  return isSaid ? description : `${description} Default: \`${value}\`.`
}

function typeOf(node: Node): string {
  const { type, pattern, items, minimum, maximum, additionalProperties, anyOf } = node
  const words = node.const === undefined ? node.enum : [node.const]
  if (words.length > 0) return words.map(word => `\`${word}\``).join(' or ')
  if (anyOf.length > 0) return [...new Set(anyOf.filter(one => one.type !== 'null').map(typeOf))].join(', or ')
  if (type === 'array') return `list of ${Array.isArray(items) || !items ? 'texts' : `${typeOf(items)}s`}`
  if (type === 'integer') return `number from ${minimum} to ${maximum}`
  if (type === 'boolean') return '`true` or `false`'
  if (type === 'object') return typeof additionalProperties === 'object' ? `name: ${typeOf(additionalProperties)}` : 'see below'
  const known = [[namePattern, 'name'] as const, [durationPattern, 'duration'] as const, [sizePattern, 'size'] as const]
  return known.find(([{ source }]) => pattern.startsWith(source))?.[1] ?? 'text'
}

/** What stands below a name, or in the section itself. */
function entryOf(node: Node): Node {
  const [inner = node] = node.anyOf.filter(({ type }) => type !== 'null')
  const { additionalProperties } = inner
  if (typeof additionalProperties !== 'object') return inner
  const named = additionalProperties.anyOf.filter(({ type }) => type !== 'null')
  return named.length === 1 ? (named[0] ?? additionalProperties) : additionalProperties
}

function isNamed(node: Node): boolean {
  return [node, ...node.anyOf].some(({ additionalProperties }) => typeof additionalProperties === 'object')
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll(/(?<!`)\$\{[^}]*\}/g, '`$&`')
}
