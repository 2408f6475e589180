/** What functions stand on: the configuration in force, and the drivers it names. */
import type { Configuration, HostConfig, PlanConfig, SourceConfig, VaultConfig } from './config.ts'
import type { Host } from './hosts/host.ts'
import type { Source } from './sources/source.ts'
import type { Vault } from './vaults/vault.ts'

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
  close(): Promise<void>
}
