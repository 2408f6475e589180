/** Drops what retention no longer keeps, here and in the vaults. What a required vault still lacks stays. */
import { events } from '../bus/events.ts'
import { isAtWork, workEnds } from '../bus/hold.ts'
import type { Backup } from '../infra/inventory.ts'
import { planRotation, rotate } from '../infra/rotation.ts'
import { defineFunction } from './define.ts'

export default defineFunction({
  name: 'prune',
  on: [events.replicate.done, events.replicate.failed],
  emits: [events.prune.done],
  reads: workEnds,
  remembers: ['run'],
  async handle(backup, context) {
    const exported = events.export.done.schema.parse(backup)
    const source = context.tools.source(exported.source)
    const { host } = exported
    const inProgress = ({ manifest: { id, source, at }, verified, failed }: Backup) =>
      isAtWork({ id, source, host, at, proven: Boolean(verified ?? failed) }, context)
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
