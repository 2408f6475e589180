/** Where a configuration keeps its backups: the roots of its hosts, then its vaults. */
import { type Place, rootPlace, vaultPlace } from './find.ts'
import type { Tools } from './tools.ts'

/** Nearest first; one vault alone where it is named. */
export function placesOf(tools: Tools, vault?: string): Place[] {
  if (vault !== undefined) return [vaultPlace(tools.vault(vault).vault)]
  const hosts = Object.entries(tools.configuration.hosts).map(([name, { root }]) => rootPlace(tools.host(name), root, name))
  const vaults = Object.keys(tools.configuration.vaults).map(name => vaultPlace(tools.vault(name).vault))
  return [...hosts, ...vaults]
}

/** The vaults that a backup of these plans belongs in: of those plans that the source still has, of all it has where none is left. */
export function vaultsOf(tools: Tools, source: string, plans: readonly string[]): string[] {
  const own = tools.source(source).config.plans
  const left = plans.filter(plan => own.includes(plan))
  return [...new Set((left.length ? left : own).flatMap(plan => tools.plan(plan).vaults))]
}
