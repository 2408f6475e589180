/** What functions stand on: the configuration in force, and the drivers it names. */

import { nearestOf } from './config/problems.ts'
import type { Configuration, HostConfig, PlanConfig, SourceConfig, VaultConfig } from './config.ts'
import { InvalidInput } from './errors.ts'
import { openHost } from './hosts/all.ts'
import type { Host } from './hosts/host.ts'
import { sourceOf } from './sources/all.ts'
import type { Source } from './sources/source.ts'
import { vaultOf } from './vaults/all.ts'
import type { Vault, VaultKind } from './vaults/vault.ts'

export interface ProtectedSource {
  name: string
  config: SourceConfig
  driver: Source
  host: Host
  hostConfig: HostConfig
}

export interface OpenVault {
  config: VaultConfig
  vault: Vault
}

export interface Tools {
  readonly configuration: Configuration
  /** Throws InvalidInput with the nearest name where there is none. */
  source(name: string): ProtectedSource
  plan(name: string): PlanConfig
  vault(name: string): OpenVault
  host(name: string): Host
  /** A kind of source by its name, for what is known from a fact alone; undefined where this Holdfast has none. */
  kind(name: string): Source | undefined
  close(): Promise<void>
}

/** The kinds of sources and vaults that tools are made of. */
export interface Kinds {
  source(kind: string): Source | undefined
  vault(kind: string): VaultKind | undefined
}

const everyKind: Kinds = { source: sourceOf, vault: vaultOf }

/** Tools for one configuration. Hosts and vaults are opened when first asked for, and stay open until `close`. */
export function createTools(configuration: Configuration, kinds: Kinds = everyKind): Tools {
  const hosts = new Map<string, Host>()
  const vaults = new Map<string, OpenVault>()
  const host = (name: string) => kept(hosts, name, () => openHost(name, named('host', configuration.hosts, name)))
  return {
    configuration,
    source(name) {
      const config = named('source', configuration.sources, name)
      const driver = known('source', config.kind, kinds.source(config.kind))
      return { name, config, driver, host: host(config.host), hostConfig: named('host', configuration.hosts, config.host) }
    },
    plan: name => named('plan', configuration.plans, name),
    vault: name => kept(vaults, name, () => openVault(name, named('vault', configuration.vaults, name), host, kinds)),
    host,
    kind: kinds.source,
    async close() {
      const open = [...hosts.values()]
      vaults.clear()
      hosts.clear()
      await Promise.all(open.map(host => host.close()))
    },
  }
}

function openVault(name: string, config: VaultConfig, hosts: (name: string) => Host, kinds: Kinds): OpenVault {
  return { config, vault: known('vault', config.kind, kinds.vault(config.kind)).open(name, config.options, hosts) }
}

function kept<Thing>(things: Map<string, Thing>, name: string, open: () => Thing): Thing {
  const found = things.get(name) ?? open()
  things.set(name, found)
  return found
}

function named<Config>(what: string, configs: Record<string, Config>, name: string): Config {
  const config = Object.hasOwn(configs, name) ? configs[name] : undefined
  if (config !== undefined) return config
  throw new InvalidInput(`there is no ${what} ${JSON.stringify(name)} in the configuration`, {
    hint: suggestion(what, name, Object.keys(configs)),
  })
}

function known<Kind>(what: string, kind: string, found: Kind | undefined): Kind {
  if (found) return found
  throw new InvalidInput(`this Holdfast knows no kind of ${what} called ${JSON.stringify(kind)}`)
}

function suggestion(what: string, name: string, names: readonly string[]): string {
  if (names.length === 0) return `The configuration names no ${what} yet: add one.`
  const nearest = nearestOf(name, names)
  return nearest ? `Did you mean ${nearest}?` : `There is: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ' …' : ''}.`
}
