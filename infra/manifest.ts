/** The documents that lie in a backup's directory. Their shapes are public: docs/vault-format.md. */
import { z } from 'zod'

export const namePattern = /^[a-z0-9][a-z0-9_-]*$/
export const idPattern = /^[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z$/

/** Crash: as after a power cut. Filesystem: quiesced. Application: the program's own consistent copy. */
export const Consistency = z.enum(['none', 'crash', 'filesystem', 'application'])
export type Consistency = z.infer<typeof Consistency>

export const Artifact = z.object({
  /** Relative to the backup's directory, no `..`, no leading `/`. */
  name: z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type Artifact = z.infer<typeof Artifact>

/** `manifest.json`: written last, never changed. A directory without one is not a backup. */
export const Manifest = z.object({
  version: z.literal(1),
  id: z.string().regex(idPattern),
  source: z.string().regex(namePattern),
  kind: z.string(),
  host: z.object({ name: z.string().regex(namePattern), label: z.string() }),
  /** The point in time the backup was asked for (slot or tick), ISO 8601 UTC. */
  at: z.iso.datetime(),
  /** The point in time the data is of, as well as it is known. */
  captured: z.object({ from: z.iso.datetime(), to: z.iso.datetime() }),
  /** The date directory: the date of `at` in the plan's time zone. */
  day: z.iso.date(),
  plans: z.array(z.string()),
  mode: z.string().optional(),
  reason: z.string().optional(),
  parent: z.string().nullable(),
  /** False: what it brings back lies inside its own source and is lost with it. Left out: it protects. */
  protects: z.literal(false).optional(),
  /** What was asked for and is not in it: the run failed, though what is here can be restored. */
  incomplete: z.string().optional(),
  consistency: z.object({ asked: Consistency, achieved: Consistency }),
  encryption: z.string().nullable(),
  artifacts: z.array(Artifact).min(1),
  /** Sum of the artifacts. */
  bytes: z.number().int().nonnegative(),
  /** Tool name to version. */
  tools: z.record(z.string(), z.string()),
  /** The first 20; the full list is the artifact `warnings.txt` where there are more. */
  warnings: z.object({ count: z.number().int().nonnegative(), first: z.array(z.string()).max(20) }),
  /** What the kind alone understands and its `verify` and `restore` need. */
  details: z.record(z.string(), z.json()),
})
export type Manifest = z.infer<typeof Manifest>

/** What people are told of a backup that does not protect. */
export const INSIDE = "inside the VM's own disk: no protection"

export const Check = z.object({ name: z.string(), result: z.string() })
export type Check = z.infer<typeof Check>

/** `verified.json`. `manifest` is the SHA-256 of the manifest.json that was verified: one that was edited since is noticed. */
export const Verified = z.object({ at: z.iso.datetime(), manifest: z.string().regex(/^[0-9a-f]{64}$/), checks: z.array(Check) })
/** `failed.json` */
export const Failed = z.object({ at: z.iso.datetime(), error: z.string(), hint: z.string().optional() })
/** `hold.json`: keeps prune away. */
export const Hold = z.object({ at: z.iso.datetime(), reason: z.string(), by: z.string().optional() })
/** One vault's copy of a backup. */
export const Copy = z.object({
  vault: z.string(),
  at: z.iso.datetime(),
  directory: z.string(),
  bytes: z.number().int().nonnegative(),
})
/** `copies.json` */
export const Copies = z.object({ copies: z.array(Copy) })
/** `drills/<time>.json` */
export const Drill = z.object({
  at: z.iso.datetime(),
  ok: z.boolean(),
  checks: z.array(Check),
  /** Why it is not. */
  problem: z.string().optional(),
  /** The place of the copy that was tried. */
  from: z.string().optional(),
  /** A picture of its screen, beside this file. */
  picture: z.string().optional(),
  seconds: z.number().nonnegative().optional(),
})

export type Verified = z.infer<typeof Verified>
export type Failed = z.infer<typeof Failed>
export type Hold = z.infer<typeof Hold>
export type Copy = z.infer<typeof Copy>
export type Drill = z.infer<typeof Drill>
