/** What `holdfast.yaml` says, read, checked and filled with defaults. */
import type { Kinds } from './config/draft.ts'
import { jsonSchemaOf } from './config/json-schema.ts'
import { readConfigurationWith } from './config/read.ts'
import { referenceOf } from './config/reference.ts'
import { type Watch, type WatchOptions, watchFile } from './config/watch.ts'
import type { Policy } from './retention.ts'
import { sources } from './sources/all.ts'
import { vaults } from './vaults/all.ts'

export { ConfigurationInvalid, formatProblem, type Problem } from './config/problems.ts'
export type { Watch } from './config/watch.ts'

/** The kinds of sources and vaults that Holdfast knows. */
export const allKinds: Kinds = { sources, vaults }

export interface ReadOptions {
  env?: Record<string, string | undefined>
  kinds?: Kinds
}

/** Reads and checks a configuration file; throws `ConfigurationInvalid` with everything that is wrong at once. */
export function readConfiguration(
  file: string,
  { env = process.env, kinds = allKinds }: ReadOptions = {},
): Promise<Configuration> {
  return readConfigurationWith(file, { env, kinds })
}

/** Reads the file again whenever it changes; what is invalid goes to `onProblem`, and what was in force stays so. */
export function watchConfiguration(
  file: string,
  { onChange, onProblem, ...options }: Pick<WatchOptions, 'onChange' | 'onProblem'> & ReadOptions,
): Watch {
  return watchFile(file, { read: path => readConfiguration(path, options), onChange, onProblem })
}

/** What may stand in a configuration file, as JSON Schema. */
export function jsonSchema(kinds: Kinds = allKinds): Record<string, unknown> {
  return jsonSchemaOf(kinds)
}

/** The same for people: docs/configuration.md. */
export function configurationReference(kinds: Kinds = allKinds): string {
  return referenceOf(jsonSchemaOf(kinds))
}

export interface HostConfig {
  /** What vault paths show. Default: the name; for `local` the machine's hostname. */
  label: string
  /** Where the host keeps its own backups. Absolute, or below the configuration file's directory. */
  root: string
  /** Runs of one step at the same time on this host. */
  concurrency: number
}

export interface PlanConfig {
  /** Cron expressions; empty: only when asked or triggered. */
  schedule: string[]
  /** IANA time zone of the schedule, the date directories and the retention. */
  zone: string
  /** Milliseconds by which each host starts later. */
  stagger: Record<string, number>
  keep: Policy
  vaults: string[]
  /** Foreign subjects that start the plan. */
  on: string[]
  /** Milliseconds after its slot in which a backup may still start. Default: until the next slot. */
  window: number | undefined
  /** Milliseconds after its last drill the newest verified backup of a source is drilled; undefined: only when asked. */
  drill: number | undefined
}

export interface ServiceConfig {
  stop: [string, ...string[]]
  start: [string, ...string[]]
}

/** Exactly one of `http` and `command`. */
export interface HealthConfig {
  http: string | undefined
  command: [string, ...string[]] | undefined
  /** Milliseconds. */
  within: number
}

export interface SourceConfig {
  kind: string
  host: string
  plans: string[]
  /** What the kind's own schema made of the rest. */
  options: unknown
  service: ServiceConfig | undefined
  health: HealthConfig | undefined
}

export interface VaultConfig {
  kind: string
  /** A backup that a required vault lacks is not pruned; a copy that fails there fails `replicate`. */
  required: boolean
  /** Its own retention. Default: the plans'. */
  keep: Policy | undefined
  options: unknown
}

export interface NatsConfig {
  url: string
  token: string | undefined
  user: string | undefined
  password: string | undefined
  /** Path of a certificate authority's PEM file. */
  ca: string | undefined
}

/** Milliseconds throughout. */
export interface Settings {
  ackWait: number
  heartbeat: number
  /** Tries of a step. */
  attempts: number
  tickMaxAge: number
}

export interface Configuration {
  /** Absolute path of the file. */
  file: string
  /** First word of every subject. */
  prefix: string
  /** Undefined: an embedded server. */
  nats: NatsConfig | undefined
  hosts: Record<string, HostConfig>
  plans: Record<string, PlanConfig>
  sources: Record<string, SourceConfig>
  vaults: Record<string, VaultConfig>
  settings: Settings
}
