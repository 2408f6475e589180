/** Every fact there is. Each schema extends the one before: reading this file top to bottom is following a backup. */
import { z } from 'zod'
import { defineEvent, type EventKind } from './event.ts'

const name = z.string().regex(/^[a-z0-9][a-z0-9_-]*$/)
const id = z.string().regex(/^[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z$/)
const moment = z.iso.datetime()
const count = z.number().int().nonnegative()
const Json = z.json()
const Consistency = z.enum(['none', 'crash', 'filesystem', 'application'])
const Warnings = z.object({ count, first: z.array(z.string()).max(20) })
const Check = z.object({ name: z.string(), result: z.string() })
const Copied = z.object({ vault: name, at: moment, directory: z.string(), bytes: count })

/** Why an error is final, for people. */
const Failure = z.object({
  name: z.string(),
  message: z.string().max(8192),
  hint: z.string().optional(),
  retryable: z.boolean(),
})

/** What a tick may ask. `{}` means: look what is due. */
export const TickData = z.strictObject({
  sources: z.array(z.string()).min(1).max(1000).optional(),
  reason: z.string().max(1000).optional(),
  mode: z.string().max(40).optional(),
  keep: z.literal('forever').optional(),
  /** Plans to look at, by name; set by triggers. */
  plans: z.array(name).max(100).optional(),
  /** The foreign subject that caused it. */
  cause: z.string().max(400).optional(),
})
export type TickData = z.infer<typeof TickData>

/** Who, where, which point in time, by which plans. */
const Due = z.object({
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
const Snapshotted = Due.extend({
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

const Exported = Snapshotted.extend({
  directory: z.string(),
  /** SHA-256 of manifest.json: an edited one is noticed. */
  manifest: z.string(),
  bytes: count,
  artifacts: count,
  warnings: Warnings,
  parent: z.string().nullable(),
  consistency: z.object({ asked: Consistency, achieved: Consistency }),
})

const Verified = Exported.extend({ checks: z.array(Check).max(50), verified: moment })

const Replicated = Verified.extend({
  copies: z.array(Copied),
  /** Vaults that are not required and did not get their copy, and why. */
  missing: z.array(z.object({ vault: name, error: z.string() })),
})

const Pruned = Exported.extend({
  copies: z.array(Copied).optional(),
  pruned: z.array(z.object({ place: z.string(), kept: count, removed: z.array(z.string()).max(200) })),
  problems: z.array(z.string()).max(20),
  missing: z.array(z.object({ vault: name, error: z.string() })).optional(),
  /** Set where a required vault has no copy: the run failed, though prune was done. */
  error: Failure.optional(),
})

const Reported = z.object({
  id,
  source: name,
  host: name,
  /** Done, done with warnings, failed: three outcomes, not two. */
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

const RestoreAsked = z.object({
  id,
  source: name,
  host: name,
  request: name,
  /** The vault to take it from; without it the nearest copy. */
  vault: name.optional(),
  to: z.string().optional(),
  keepAside: z.boolean().optional(),
})
const Restored = RestoreAsked.extend({ from: z.string(), targets: z.array(z.string()), aside: z.array(z.string()), checks: z.array(Check), seconds: z.number() })

/** `.failed` of a step: what was known of the backup, and the error. A message that could not be read knows its subject only. */
function failed<Shape extends z.ZodRawShape>(input: z.ZodObject<Shape>) {
  return z.object({
    ...input.partial().shape,
    id: id.optional(),
    source: name.optional(),
    host: name.optional(),
    error: Failure,
    attempts: count,
  })
}

const once = { once: true }
const request = { seventh: 'request' }

export const events = {
  plan: {
    due: defineEvent('plan', 'due', Due, once),
    rejected: defineEvent(
      'plan',
      'rejected',
      z.object({
        host: name.optional(),
        source: name.optional(),
        id: id.optional(),
        error: Failure,
        /** The event or tick that was rejected, and what it said (1 KB at most). */
        cause: z.string(),
        input: z.string().max(1024).optional(),
      }),
    ),
    missed: defineEvent(
      'plan',
      'missed',
      z.object({ host: name, source: name, id, plan: name, missed: z.number().int().positive(), from: moment, to: moment, planned: moment }),
    ),
    failed: defineEvent('plan', 'failed', failed(z.object({ cause: z.string() }))),
  },
  snapshot: {
    done: defineEvent('snapshot', 'done', Snapshotted, once),
    skipped: defineEvent('snapshot', 'skipped', Due.extend({ skipped: z.string() }), once),
    failed: defineEvent('snapshot', 'failed', failed(Due), once),
  },
  export: {
    done: defineEvent('export', 'done', Exported, once),
    failed: defineEvent('export', 'failed', failed(Snapshotted), once),
  },
  release: {
    done: defineEvent('release', 'done', z.object({ id, source: name, host: name, released: z.array(z.string()) }), once),
    /** Said from the third failure on, while it is tried again. */
    retrying: defineEvent('release', 'retrying', z.object({ id: id.optional(), source: name.optional(), host: name.optional(), error: Failure, attempts: count })),
    failed: defineEvent('release', 'failed', failed(Exported), once),
  },
  verify: {
    done: defineEvent('verify', 'done', Verified, once),
    failed: defineEvent('verify', 'failed', failed(Exported), once),
  },
  replicate: {
    copied: defineEvent('replicate', 'copied', z.object({ id, source: name, host: name, ...Copied.shape }), { seventh: 'vault' }),
    done: defineEvent('replicate', 'done', Replicated, once),
    failed: defineEvent('replicate', 'failed', failed(Replicated), once),
  },
  prune: {
    done: defineEvent('prune', 'done', Pruned, once),
    failed: defineEvent('prune', 'failed', failed(Replicated), once),
  },
  report: {
    done: defineEvent('report', 'done', Reported, once),
    failed: defineEvent('report', 'failed', failed(Exported), once),
  },
  ask: {
    restore: defineEvent('ask', 'restore', RestoreAsked, request),
  },
  restore: {
    done: defineEvent('restore', 'done', Restored, request),
    failed: defineEvent('restore', 'failed', failed(RestoreAsked).extend({ request: name }), request),
  },
}

export type Failure = z.infer<typeof Failure>
export type Due = z.infer<typeof Due>
export type Snapshotted = z.infer<typeof Snapshotted>
export type Exported = z.infer<typeof Exported>
export type Verified = z.infer<typeof Verified>
export type Replicated = z.infer<typeof Replicated>
export type Pruned = z.infer<typeof Pruned>
export type Reported = z.infer<typeof Reported>

/** Every event by its type, `export.done`. */
export const allEvents: readonly EventKind[] = Object.values(events).flatMap(step => Object.values<EventKind>(step))
