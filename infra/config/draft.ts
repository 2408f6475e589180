/** Checks each section and entry by itself, so that one mistake hides no other. */
import { z } from 'zod'
import { check, type Finding, type Path, unknownName } from './problems.ts'
import { valueAt } from './references.ts'
import { Host, Name, Nats, Plan, Settings, Source, Vault } from './schema.ts'

/** What the configuration has to know of a kind of source or vault. */
export interface Kind {
  readonly kind: string
  readonly summary: string
  readonly options: z.ZodType
}

export interface Kinds {
  sources: readonly Kind[]
  vaults: readonly Kind[]
}

/** An entry with what the kind's own schema made of its options. */
export interface Member<Base> {
  base: Base
  options: unknown
}

/** What could be read: complete where there are no findings. */
export interface Draft {
  hosts: Record<string, z.output<typeof Host>>
  plans: Record<string, z.output<typeof Plan>>
  sources: Record<string, Member<z.output<typeof Source>>>
  vaults: Record<string, Member<z.output<typeof Vault>>>
  nats: z.output<typeof Nats> | undefined
  settings: z.output<typeof Settings>
  findings: Finding[]
}

export const sections = ['hosts', 'plans', 'sources', 'vaults', 'nats', 'settings']

type Checked<T> = { data?: T; findings: Finding[] }

/** Reads the sections of a file's plain value. */
export function checkSections(raw: unknown, kinds: Kinds): Draft {
  const hosts = checkEntries(raw, 'hosts', (value, path) => check(Host, value ?? {}, path))
  const plans = checkEntries(raw, 'plans', (value, path) => check(Plan, value, path))
  const sources = checkEntries(raw, 'sources', (value, path) => checkMember(Source, kinds.sources, value, path))
  const vaults = checkEntries(raw, 'vaults', (value, path) => checkMember(Vault, kinds.vaults, value, path))
  const nats = check(Nats.optional(), valueAt(raw, ['nats']) ?? undefined, ['nats'])
  const settings = check(Settings, valueAt(raw, ['settings']) ?? {}, ['settings'])
  const all = [checkRoot(raw), hosts, plans, sources, vaults, nats, settings]
  return {
    hosts: hosts.data,
    plans: plans.data,
    sources: sources.data,
    vaults: vaults.data,
    nats: nats.data,
    settings: settings.data ?? Settings.parse({}),
    findings: all.flatMap(({ findings }) => findings),
  }
}

/** Lookups in the result find nothing but entries: a plan that nobody wrote is not found by the name `constructor`. */
export function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const result: Record<string, T> = Object.fromEntries(entries)
  Object.setPrototypeOf(result, null)
  return result
}

function checkRoot(raw: unknown): Checked<unknown> {
  const shape = check(z.looseObject({}), raw, [])
  const unknown = entriesOf(raw).flatMap(([key]) => (sections.includes(key) ? [] : key))
  return { findings: [...shape.findings, ...unknown.map(key => unknownName([key], 'key', key, sections, true))] }
}

function checkEntries<T>(
  raw: unknown,
  section: string,
  checkEntry: (value: unknown, path: Path) => Checked<T>,
): { data: Record<string, T>; findings: Finding[] } {
  const whole = check(z.looseObject({}), valueAt(raw, [section]) ?? {}, [section])
  const entries = entriesOf(valueAt(raw, [section])).map(([name, value]) => {
    const path = [section, name]
    const { data, findings } = checkEntry(value, path)
    const named = check(Name, name, path).findings.map(finding => ({ ...finding, atKey: true }))
    return { name, data, findings: [...named, ...findings] }
  })
  return {
    data: record(entries.flatMap(({ name, data }) => (data === undefined ? [] : [[name, data] as const]))),
    findings: [...whole.findings, ...entries.flatMap(({ findings }) => findings)],
  }
}

/** As it was read: a schema would leave out a key like `__proto__`, and with it somebody's source. */
function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

/** The keys that every member has are checked by `common`, all others by its kind. */
function checkMember<Shape extends z.ZodRawShape>(
  common: z.ZodObject<Shape, z.core.$loose>,
  kinds: readonly Kind[],
  value: unknown,
  path: Path,
): Checked<Member<z.output<typeof common>>> {
  const base = check(common, value, path)
  const name = valueAt(value, ['kind'])
  if (typeof name !== 'string' || typeof value !== 'object' || value === null) return { findings: base.findings }
  const kind = kinds.find(({ kind }) => kind === name)
  if (!kind) {
    const unknown = unknownName(
      [...path, 'kind'],
      'kind',
      name,
      kinds.map(({ kind }) => kind),
    )
    return { findings: [...base.findings, unknown] }
  }
  const known = Object.keys(common.shape)
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !known.includes(key)))
  const options = check(strict(kind.options), rest, path, known)
  const findings = [...base.findings, ...options.findings]
  return base.data === undefined || options.findings.length > 0
    ? { findings }
    : { data: { base: base.data, options: options.data }, findings }
}

/** A kind's options with keys it does not know refused, whether or not its author thought of that. */
export function strict(options: z.ZodType): z.ZodType {
  return options instanceof z.ZodObject ? options.strict() : options
}
