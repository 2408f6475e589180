/** Every fact there is. The spelling in code is the subject: `events.export.done`. */
import { z } from 'zod'
import {
  Copied,
  count,
  DrillAsked,
  Drilled,
  Due,
  Exported,
  Failure,
  failed,
  id,
  moment,
  name,
  Pruned,
  Replicated,
  Reported,
  RestoreAsked,
  Restored,
  Snapshotted,
  Verified,
} from './backup.ts'
import { defineEvent, type EventKind } from './event.ts'

export type { Due, Exported, Failure, Pruned, Replicated, Reported, Snapshotted, Verified } from './backup.ts'
export { TickData } from './backup.ts'

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
      z.object({
        host: name,
        source: name,
        id,
        plan: name,
        missed: z.number().int().positive(),
        from: moment,
        to: moment,
        planned: moment,
      }),
      { same: 'plan' },
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
    retrying: defineEvent(
      'release',
      'retrying',
      z.object({ id: id.optional(), source: name.optional(), host: name.optional(), error: Failure, attempts: count }),
    ),
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
    drill: defineEvent('ask', 'drill', DrillAsked, request),
  },
  restore: {
    done: defineEvent('restore', 'done', Restored, request),
    failed: defineEvent('restore', 'failed', failed(RestoreAsked).extend({ request: name }), request),
  },
  drills: {
    due: defineEvent('drills', 'due', DrillAsked, request),
    failed: defineEvent('drills', 'failed', failed(z.object({ cause: z.string() }))),
  },
  drill: {
    done: defineEvent('drill', 'done', Drilled, request),
    failed: defineEvent('drill', 'failed', failed(DrillAsked).extend({ request: name }), request),
  },
}

/** Every event by its type, `export.done`. */
export const allEvents: readonly EventKind[] = Object.values(events).flatMap(step => Object.values<EventKind>(step))
