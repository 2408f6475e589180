/** A place away from the source that keeps copies. One file per kind. */
import type { z } from 'zod'
import type { Host, Space } from '../hosts/host.ts'
import type { Backup, Unreadable } from '../inventory.ts'
import type { Copy, Manifest } from '../manifest.ts'
import type { Progress } from '../sources/source.ts'

export interface PutWork {
  /** The host on which the backup's directory lies. */
  host: Host
  directory: string
  manifest: Manifest
  /** Unique to the writer that owns this copy now: part of every temporary name. */
  fence: string
  signal: AbortSignal
  progress(progress: Progress): void
}

export interface GetWork {
  host: Host
  /** Made by `get`; must not exist. */
  directory: string
  signal: AbortSignal
  progress(progress: Progress): void
}

export interface ListFilter {
  source?: string
  /** Copies of the host that has this label alone: a vault may serve several cells. */
  label?: string
  /** Told of each thing that stands where a copy could be, and cannot be read. */
  unreadable?(found: Unreadable): void
}

/**
 * What an implementer must guarantee:
 * - A copy is whole or not there: temporary names, checksums compared at the far end, manifest last.
 * - `put` refuses a label whose copies another installation made.
 * - `put` of what is there already, unchanged, answers with the copy that is there.
 * - `list` reads the vault alone, and works without the bus, the configuration and the source's host.
 * - `remove` takes the manifest first; what is not there is fine.
 */
export interface Vault {
  readonly name: string
  /** The host on which the vault's paths can be read as they are, for `list` and restores; undefined where they must be fetched. */
  readonly host: Host | undefined
  put(work: PutWork): Promise<Copy>
  /** Every whole copy, of one source where named, oldest first. */
  list(filter?: ListFilter): Promise<Backup[]>
  get(backup: Backup, work: GetWork): Promise<void>
  /** Re-reads the copy; throws `VerificationFailed` unless every artifact is what the manifest says. */
  check(backup: Backup, signal: AbortSignal): Promise<void>
  /** Refused where the copies of that label are not those of the installation that is named. */
  remove(backup: Backup, installation?: string): Promise<void>
  /** Ends the removals of a source's copies that were cut off. Left out where none is ever half done. Refused as `remove` is. */
  sweep?(copies: { source: string; label: string; installation?: string }): Promise<void>
  /** Adds or replaces a document beside the manifest: report.md, hold.json, drills/… `undefined` removes it. */
  annotate(backup: Backup, name: string, content: string | Uint8Array | undefined): Promise<void>
  space(): Promise<Space>
}

/** A kind of vault, as the configuration knows it. */
export interface VaultKind<Options = unknown> {
  readonly kind: string
  readonly summary: string
  readonly options: z.ZodType<Options>
  open(name: string, options: Options, hosts: (name: string) => Host): Vault
}

export function defineVault<Options>(kind: VaultKind<Options>): VaultKind<Options> {
  return kind
}
