/** Every kind of vault there is, one line each. */
import { rsync } from './rsync.ts'
import type { VaultKind } from './vault.ts'

/** A vault is opened with what the kind's own schema made of the options: the configuration sees to that. */
export const vaults: readonly VaultKind[] = [rsync]

/** The kind by its name; undefined where there is none. */
export function vaultOf(kind: string): VaultKind | undefined {
  return vaults.find(vault => vault.kind === kind)
}
