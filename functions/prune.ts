/** Drops what retention no longer keeps, here and in the vaults. What a required vault still lacks stays. */
import { events } from '../bus/events.ts'
import type { Backup } from '../infra/inventory.ts'
import { planRotation, rotate } from '../infra/rotation.ts'
import { defineFunction, type FunctionContext } from './define.ts'

/** A run that has said nothing for so long is none: the bus it ran on is gone, ms. */
const RUN_LIMIT = 7 * 24 * 3600_000

export default defineFunction({
  name: 'prune',
  on: [events.replicate.done, events.replicate.failed],
  emits: [events.prune.done],
  reads: [events.report.done],
  async handle(backup, context) {
    const exported = events.export.done.schema.parse(backup)
    const source = context.tools.source(exported.source)
    const inProgress = (other: Backup) => isOpen(other, exported.host, context)
    const { places, problems } = await planRotation({ tools: context.tools, source, inProgress })
    const pruned = []
    for (const place of places) {
      context.signal.throwIfAborted()
      const { removed, problems: own } = await rotate(place)
      problems.push(...own)
      pruned.push({ place: place.place, kept: place.decisions.length - removed.length, removed: removed.slice(0, 200) })
    }
    return events.prune.done({
      ...exported,
      copies: backup.copies,
      missing: backup.missing,
      pruned,
      problems: problems.slice(0, 20).map(problem => problem.slice(0, 500)),
      ...('error' in backup ? { error: backup.error } : {}),
    })
  },
})

/** Neither verified nor failed, and its run has not been reported: somebody is still at work on it. */
async function isOpen({ manifest: { id, source, at } }: Backup, host: string, { find }: FunctionContext): Promise<boolean> {
  if (Date.now() - Date.parse(at) > RUN_LIMIT) return false
  return (await find(events.report.done, { id, source, host })) === undefined
}
