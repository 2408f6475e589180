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
