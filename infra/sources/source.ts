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

/** A verified backup of the same source, as it lies on the host. */
export type Earlier = Pick<StoredWork<unknown>, 'manifest' | 'directory'>

export interface SnapshotWork<Options> extends Work<Options> {
  /** Where the host keeps its backups. */
  root: string
  /** The way of capture that was asked for by name, one of `modes`. */
  mode: string | undefined
  /** Oldest first: what an increment can build on. Reads them all, so ask only where it matters. */
  earlier(): Promise<Earlier[]>
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
  /** False where losing the source loses this backup too: retention never counts it. */
  protects?: false
  /** What the configuration requires and is not there: the run ends as failed, and what was captured is verified, copied and kept. */
  incomplete?: string
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
  /** Another place than the one the data came from: a directory for files, a file for sqlite, a new name for what lives under one. */
  to: string | undefined
  /** One part of the backup alone, by a name of the kind's own; undefined: all of it. */
  part?: string | undefined
  /** Unique to this restore, one path component; name what you stage after it, so that a second try finds and replaces it. */
  token: string
  /** A directory of this restore's own on `host`, for what its lifecycle has to remember. Made by who needs it; gone once it has ended. */
  scratch: string
}

export interface Staged {
  replacements: Replacement[]
  /** Files in what is replaced that the backup left out on purpose: the caller then keeps what was moved aside. */
  leftOut: boolean
  /** Everything staged outside `replacements` that has to go afterwards. */
  scratch: string[]
  checks: Check[]
}

/** What a start showed. */
export interface Started {
  checks: Check[]
  /** It answered: what was moved aside is needed no more. */
  proven: boolean
}

/** Stops what uses the data for a restore, and starts it on what is there then; each does what its place or part needs, and may be called again. */
export interface Lifecycle {
  stop(): Promise<void>
  /** `restored`: the backup's data is in place; else what was there before is again. */
  start(restored: boolean): Promise<Started>
}

export interface DrillWork<Options> extends StoredWork<Options> {
  /** Unique to this drill, one path component. */
  token: string
  /** A directory of the drill's own on `host`, removed afterwards whatever happens. What has to outlive it may be noted beside it. */
  scratch: string
}

/** What a drill showed. `problem`: why the backup is not proven. `picture`: PNG of its screen. */
export interface Drilled {
  problem: string | undefined
  checks: Check[]
  picture: Uint8Array | undefined
}

/** Stages what refers to the backup instead of its data, and pulls that in while it is in use. An abort leaves what runs running. */
export interface Instant<Options> extends Required<Pick<Source<Options>, 'stage' | 'lifecycle'>> {
  pull(work: RestoreWork<Options>): Promise<Check[]>
  /** Nothing refers to the backup any more: all is in place, or what was there before is back. */
  letGo(work: RestoreWork<Options>): Promise<void>
}

/** Something of a kind that exists on a host, whether a source protects it or not. */
export interface Found {
  name: string
  /** Where on the host, for kinds that have several places: the URI of a libvirt. */
  place?: string
  /** `running, guest agent answers` */
  description: string
  /** What it consists of, such as disks. `obstacle`: why no source can capture the part. */
  parts: { name: string; description: string; obstacle?: string }[]
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
  /** What `to` is for this kind; left out: a path. A name has no slash: what has one is a path all the same, for a part alone. */
  readonly destination?: 'name'
  /** The names of what can be restored alone from a backup. Left out: nothing can. */
  parts?(manifest: Manifest): string[]
  snapshot(work: SnapshotWork<Options>): Promise<Held>
  export(work: CaptureWork<Options>): Promise<Captured>
  release?(work: Omit<Work<Options>, 'options'> & { held: Json }): Promise<void>
  /** Lets go of what a snapshot that failed may still hold: it said nothing, so there is no `held`. */
  abandon?(work: Work<Options> & { root: string }): Promise<void>
  verify(work: StoredWork<Options>): Promise<Check[]>
  /** How long increments build on one full backup, ms: what expires as a whole. Left out: each backup stands alone. */
  chain?(options: Options): number
  /** Throws where the restore cannot be done as it is asked for, before anything is read. Left out: `stage` says so. */
  refuse?(work: RestoreWork<Options>): Promise<void>
  stage(work: RestoreWork<Options>): Promise<Staged>
  lifecycle?(work: RestoreWork<Options>): Lifecycle
  readonly instant?: Instant<Options>
  /** Restores into a scratch place, runs it there, and cleans up. The caller keeps the backup from being pruned. */
  drill?(work: DrillWork<Options>): Promise<Drilled>
  /** Ends what a drill that was killed left running, told from its scratch. Left out: nothing runs on. */
  endDrill?(left: Pick<DrillWork<unknown>, 'host' | 'token' | 'scratch' | 'signal'>): Promise<void>
  /** The look that `check` takes, for kinds whose snapshot holds something: is it there, and does it fit. */
  inspect?(work: SnapshotWork<Options>): Promise<Pick<Held, 'expected' | 'tools'>>
  /** What of this kind exists on a host; `configured` are the options of its sources there. Nothing where the kind is not in use there. */
  discover?(host: Host, configured: readonly Options[]): Promise<Found[]>
  /** The names of the parts of something found that a source captures; undefined: it is about something else. Pure. */
  captures?(found: Found, source: string, options: Options): string[] | undefined
  /** How a backup of this kind was made, for people: rows of a name and a value. Pure. */
  describe?(manifest: Manifest): [name: string, value: string][]
}

/** Only gives types. */
export function defineSource<Options>(source: Source<Options>): Source<Options> {
  return source
}
