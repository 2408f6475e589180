/** Reads `holdfast.yaml`: text to values, secrets put in, everything checked, every mistake told at once. */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { Configuration, HostConfig, PlanConfig } from '../config.ts'
import { codeOf, messageOf } from '../errors.ts'
import { readSource } from './document.ts'
import { checkSections, type Draft, type Kinds, record } from './draft.ts'
import { checkPlaces } from './places.ts'
import { ConfigurationInvalid, type Finding, formatProblem, type Problem } from './problems.ts'
import { checkReferences } from './references.ts'
import { DEFAULT_ROOT } from './schema.ts'
import { expand } from './secrets.ts'

export interface ReadOptions {
  env: Record<string, string | undefined>
  kinds: Kinds
}

/** Throws `ConfigurationInvalid` with everything that is wrong. */
export async function readConfigurationWith(file: string, options: ReadOptions): Promise<Configuration> {
  return parseConfiguration(file, await textOf(file), options)
}

/** The same for the text that stands, or would stand, in `file`. */
export function parseConfiguration(file: string, text: string, { env, kinds }: ReadOptions): Configuration {
  const source = readSource(file, text)
  if (source.value === undefined) throw invalid(source.problems)
  const directory = dirname(resolve(file))
  const { value: raw, findings: missing, secrets } = expand(source.value, { env, directory })
  const draft = checkSections(raw, kinds)
  const hosts = hostsOf(draft, directory)
  const found = [...draft.findings, ...checkReferences(raw), ...checkPlaces(raw, directory)].filter(
    finding => !coveredBy(missing, finding),
  )
  const problems = [...source.problems, ...[...missing, ...found].map(source.locate)]
  if (problems.length > 0) throw invalid(problems.map(problem => redact(problem, secrets)))
  const order = [...new Set([...(Object.hasOwn(draft.hosts, 'local') ? [] : ['local']), ...source.keys(['hosts'])])]
  return assemble(resolve(file), draft, hosts, order)
}

function assemble(file: string, draft: Draft, hosts: Record<string, HostConfig>, order: readonly string[]): Configuration {
  const { prefix, ...settings } = draft.settings
  const { nats } = draft
  const plans = Object.entries(draft.plans).map(([name, plan]) => [name, planOf(plan, order)] as const)
  const sources = Object.entries(draft.sources).map(([name, { base, options }]) => {
    const { kind, host, plan, service, health } = base
    const checked = health && { http: health.http, command: health.command, within: health.within }
    return [name, { kind, host, plans: plan, options, service, health: checked }] as const
  })
  const vaults = Object.entries(draft.vaults).map(
    ([
      name,
      {
        base: { kind, required, keep },
        options,
      },
    ]) => [name, { kind, required, keep, options }] as const,
  )
  return {
    file,
    prefix,
    nats: nats && {
      url: nats.url,
      token: nats.token,
      user: nats.user,
      password: nats.password,
      ca: nats.ca && resolve(dirname(file), nats.ca),
    },
    hosts,
    plans: record(plans),
    sources: record(sources),
    vaults: record(vaults),
    settings,
  }
}

/** `local` exists whether or not it is written. */
function hostsOf({ hosts }: Draft, directory: string): Record<string, HostConfig> {
  const local = { label: undefined, root: DEFAULT_ROOT, concurrency: 2 }
  const all = [...(Object.hasOwn(hosts, 'local') ? [] : [['local', local] as const]), ...Object.entries(hosts)]
  return record(
    all.map(
      ([name, { label, root, concurrency }]) =>
        [name, { label: label ?? labelOf(name), root: absolute(root, directory), concurrency }] as const,
    ),
  )
}

/** Every machine has a host `local`, and several may share a vault. */
function labelOf(name: string): string {
  return name === 'local' ? machineLabel(hostname()) : name
}

/** A machine's name as a label may be. */
export function machineLabel(machine: string): string {
  return machine.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'local'
}

function planOf(plan: Draft['plans'][string], order: readonly string[]): PlanConfig {
  const { stagger, schedule, keep, vaults, on, window, drill } = plan
  const offsets = order.map(
    (host, index) => [host, typeof stagger === 'number' ? stagger * index : (stagger[host] ?? 0)] as const,
  )
  const zone = plan.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  return { schedule, zone, stagger: record(offsets), keep, vaults, on, window, drill }
}

/** A path on another machine may begin with `~/`, its login's home. */
function absolute(path: string, directory: string): string {
  return path.startsWith('~/') ? path : resolve(directory, path)
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const message = codeOf(error) === 'ENOENT' ? 'there is no such file' : `cannot be read: ${messageOf(error)}`
    const hint = 'Write one with: holdfast init. Or name another with --config FILE.'
    throw new ConfigurationInvalid([{ file, line: 1, column: 1, path: '', message, expected: 'a configuration file' }], {
      hint,
      cause: error,
    })
  }
}

/** A secret that is missing leaves its placeholder behind; what is wrong with that is nobody's mistake. */
function coveredBy(missing: readonly Finding[], { path }: Finding): boolean {
  return missing.some(finding => finding.path.join('\0') === path.join('\0'))
}

function invalid(problems: readonly Problem[]): ConfigurationInvalid {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const distinct = new Map(sorted.map(problem => [formatProblem(problem), problem]))
  return new ConfigurationInvalid([...distinct.values()], { hint: 'Mend the file and look again with: holdfast check' })
}

function redact(problem: Problem, secrets: readonly string[]): Problem {
  const clean = (text: string) => secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, '***'), text)
  return { ...problem, message: clean(problem.message), expected: clean(problem.expected) }
}
