/** What facts say. Each schema extends the one before: reading this file top to bottom is following a backup. */
import { z } from 'zod'

export const name = z.string().regex(/^[a-z0-9][a-z0-9_-]*$/)
export const id = z.string().regex(/^[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z$/)
export const moment = z.iso.datetime()
export const count = z.number().int().nonnegative()
const Json = z.json()
const Consistency = z.enum(['none', 'crash', 'filesystem', 'application'])
const Warnings = z.object({ count, first: z.array(z.string()).max(20) })
const Check = z.object({ name: z.string(), result: z.string() })
export const Copied = z.object({ vault: name, at: moment, directory: z.string(), bytes: count })

/** Why an error is final, for people. */
export const Failure = z.object({
  name: z.string(),
  message: z.string().max(8192),
  hint: z.string().optional(),
  retryable: z.boolean(),
})

/** What a tick may ask. `{}` means: look what is due. */
export const TickData = z.strictObject({
  sources: z.array(z.string()).min(1).max(1000).optional(),
  reason: z
    .string()
    .max(1000)
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u, 'has control characters')
    .optional(),
  mode: z.string().max(40).optional(),
  keep: z.literal('forever').optional(),
  /** Plans to look at, by name; set by triggers. */
  plans: z.array(name).max(100).optional(),
  /** The foreign subject that caused it. */
  cause: z.string().max(400).optional(),
})
export type TickData = z.infer<typeof TickData>

/** Who, where, which point in time, by which plans. */
export const Due = z.object({
  id,
  source: name,
  host: name,
  kind: name,
  at: moment,
  /** The date of `at` in the plan's time zone. */
  day: z.iso.date(),
  plans: z.array(name),
  /** The event or tick that asked for it. */
  cause: z.string(),
  mode: z.string().optional(),
  keep: z.literal('forever').optional(),
  reason: z.string().optional(),
  /** After this moment it is not started any more. */
  expires: moment.optional(),
})

/** What holds the point in time, how consistent. */
export const Snapshotted = Due.extend({
  /** Where the host keeps its backups: release must not ask the configuration. */
  root: z.string(),
  snapshot: z.object({
    at: moment,
    consistency: z.object({ asked: Consistency, achieved: Consistency }),
    expected: count,
    held: Json,
    tools: z.record(z.string(), z.string()),
    warnings: Warnings,
  }),
})

export const Exported = Snapshotted.extend({
  directory: z.string(),
  /** SHA-256 of manifest.json: an edited one is noticed. */
  manifest: z.string(),
  bytes: count,
  artifacts: count,
  warnings: Warnings,
  parent: z.string().nullable(),
  consistency: z.object({ asked: Consistency, achieved: Consistency }),
  /** What was asked for and is not in it: the run will have failed, though the rest is verified, copied and kept. */
  incomplete: z.string().optional(),
})

export const Verified = Exported.extend({ checks: z.array(Check).max(50), verified: moment })

export const Replicated = Verified.extend({
  copies: z.array(Copied),
  /** Vaults that are not required and did not get their copy, and why. */
  missing: z.array(z.object({ vault: name, error: z.string() })),
})

export const Pruned = Exported.extend({
  copies: z.array(Copied).optional(),
  pruned: z.array(z.object({ place: z.string(), kept: count, removed: z.array(z.string()).max(200) })),
  problems: z.array(z.string()).max(20),
  missing: z.array(z.object({ vault: name, error: z.string() })).optional(),
  /** Set where a required vault has no copy: the run failed, though prune was done. */
  error: Failure.optional(),
})

export const Reported = z.object({
  id,
  source: name,
  host: name,
  /** Done, done with warnings, failed: three outcomes, not two. One that lacks what was required failed, and may be verified. */
  outcome: z.enum(['done', 'warnings', 'failed', 'skipped']),
  /** The fact the run ended on: `prune.done`. */
  ended: z.string(),
  at: moment,
  bytes: count.optional(),
  directory: z.string().optional(),
  verified: z.boolean(),
  copies: z.array(Copied).optional(),
  warnings: Warnings,
  error: Failure.optional(),
  seconds: z.number().nonnegative(),
})

/** What is asked for with one copy of a backup. */
export const DrillAsked = z.object({
  id,
  source: name,
  host: name,
  request: name,
  /** Of the host that made it; without it the source's own. */
  label: z.string().optional(),
  /** The vault to take it from; without it the nearest copy. */
  vault: name.optional(),
})
export const RestoreAsked = DrillAsked.extend({
  to: z.string().optional(),
  /** One part of the backup alone, by the kind's own name for it. */
  part: z.string().optional(),
  keepAside: z.boolean().optional(),
  /** It runs from the backup while the data is brought into place. */
  instant: z.boolean().optional(),
})
export const Restored = RestoreAsked.extend({
  from: z.string(),
  targets: z.array(z.string()),
  aside: z.array(z.string()),
  checks: z.array(Check),
  seconds: z.number(),
})

export const Drilled = DrillAsked.extend({
  at: moment,
  /** The place of the copy that was proven. */
  from: z.string(),
  directory: z.string(),
  checks: z.array(Check).max(50),
  /** The file with a picture of its screen. */
  picture: z.string().optional(),
  seconds: z.number(),
})

export type Failure = z.infer<typeof Failure>
export type Due = z.infer<typeof Due>
export type Snapshotted = z.infer<typeof Snapshotted>
export type Exported = z.infer<typeof Exported>
export type Verified = z.infer<typeof Verified>
export type Replicated = z.infer<typeof Replicated>
export type Pruned = z.infer<typeof Pruned>
export type Reported = z.infer<typeof Reported>

/** `.failed` of a step: what was known of the backup, and the error. A message that could not be read knows its subject only. */
export function failed<Shape extends z.ZodRawShape>(input: z.ZodObject<Shape>) {
  return z.object({
    ...input.partial().shape,
    id: id.optional(),
    source: name.optional(),
    host: name.optional(),
    error: Failure,
    attempts: count,
  })
}
