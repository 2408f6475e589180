/** A vault as a test gets it, and what its verbs need besides the backup. */
import type { Host } from '../../../infra/hosts/host.ts'
import type { Backup } from '../../../infra/inventory.ts'
import type { GetWork, PutWork, Vault } from '../../../infra/vaults/vault.ts'
import type { MadeBackup } from '../../services/backup.ts'

export interface OpenedVault {
  vault: Vault
  /** The host on which the tests' backups lie. */
  host: Host
  /** Changes one byte of an artifact where the vault keeps it. */
  damage(backup: Backup, artifact: string): Promise<void>
}

/** Opens an empty vault for one test and lets go of it when the test ends. */
export type OpenVault = () => Promise<OpenedVault>

/** What `put` needs besides the backup. */
export function putWork(host: Host, { directory, manifest }: MadeBackup, more: Partial<PutWork> = {}): PutWork {
  return { host, directory, manifest, fence: '1', signal: new AbortController().signal, progress: () => undefined, ...more }
}

export function getWork(host: Host, directory: string): GetWork {
  return { host, directory, signal: new AbortController().signal, progress: () => undefined }
}
