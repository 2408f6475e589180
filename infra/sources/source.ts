/** A kind of thing to protect. One file per kind; capture, check and restore of one kind sit together. */
import type { z } from 'zod'
import type { Host } from '../hosts/host.ts'
import type { Check, Consistency, Manifest } from '../manifest.ts'

export interface Progress {
  bytes: number
  /** Bytes expected in the end, where that is known. */
  total?: number
}

/** What every verb gets. */
export interface Work<Options> {
  host: Host
  /** The source's name and the backup's id. */
  source: string
  id: string
  options: Options
  signal: AbortSignal
  /** Bytes so far. Call as often as you like: the caller thins it out. */
  progress(progress: Progress): void
  /** Something a person should know that does not make the backup useless. Names what it is about. */
  warn(message: string): void
}

export type Json = z.core.util.JSONType

/** What snapshot fixed. It travels in the facts, so it is small; `held` is all that release may use. */
export interface Held {
  consistency: { asked: Consistency; achieved: Consistency }
  /** Bytes that export is expected to write, for the space check and the progress. */
  expected: number
  held: Json
  tools: Record<string, string>
}

export interface CaptureWork<Options> extends Work<Options> {
  /** The backup directory while it is being written: exists, 0700. */
  directory: string
  held: Held
}

export interface Captured {
  /** Names of the artifacts in `directory`. The caller takes sizes and checksums unless given here. */
  artifacts: { name: string; sha256?: string }[]
  captured: { from: Date; to: Date }
  consistency: { asked: Consistency; achieved: Consistency }
  parent: string | null
  details: Record<string, Json>
  /** The exact commands, Markdown, that restore this backup by hand with the tools its data came from. */
  instructions: string
}

export interface StoredWork<Options> extends Work<Options> {
  /** Where the backup lies on `host`, read only. */
  directory: string
  manifest: Manifest
}

/** Puts one restored thing in place: what is at `target` is moved aside, `staged` takes its place. */
export interface Replacement {
  target: string
  /** On the file system of `target`. Undefined: `target` is only moved aside. */
  staged: string | undefined
}

export interface RestoreWork<Options> extends StoredWork<Options> {
  /** Another place than the one the data came from: a directory for files, a file for sqlite. */
  to: string | undefined
  /** Unique to this restore, one path component; name what you stage after it, so that a second try finds and replaces it. */
  token: string
}

export interface Staged {
  replacements: Replacement[]
  /** Files in what is replaced that the backup left out on purpose: the caller then keeps what was moved aside. */
  leftOut: boolean
  /** Everything staged outside `replacements` that has to go afterwards. */
  scratch: string[]
  checks: Check[]
}

/**
 * What an implementer must guarantee:
 * - Every verb may run twice and be killed anywhere; a second run finishes or fails loudly.
 * - `snapshot` is quick and fails with a clear error where the source is missing, unreadable, not of this kind or larger than the free space.
 * - `export` writes only below `directory`. `release` uses `held` alone. `verify` throws `VerificationFailed` unless the artifacts
 *   can be restored (the caller has compared sizes and checksums already). `stage` brings the data beside its target, checks
 *   it there, and touches nothing that is in use.
 * - A verb that a kind does not need is left out: no `release` means snapshot holds nothing.
 */
export interface Source<Options = unknown> {
  readonly kind: string
  /** One sentence for the reference documentation. */
  readonly summary: string
  readonly options: z.ZodType<Options>
  /** The ways of capture that a tick may ask for by name. Left out: there is one. */
  readonly modes?: readonly string[]
  snapshot(work: Work<Options> & { root: string }): Promise<Held>
  export(work: CaptureWork<Options>): Promise<Captured>
  release?(work: Omit<Work<Options>, 'options'> & { held: Json }): Promise<void>
  verify(work: StoredWork<Options>): Promise<Check[]>
  stage(work: RestoreWork<Options>): Promise<Staged>
  /** What of this kind exists on a host. */
  discover?(host: Host): Promise<{ name: string; description: string }[]>
}

/** Only gives types. */
export function defineSource<Options>(source: Source<Options>): Source<Options> {
  return source
}
