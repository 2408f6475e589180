/** Fixes the point in time: checks that the run may begin, takes the source's hold, lets the kind do its quick part. */

import type { Due } from '../bus/events.ts'
import { events } from '../bus/events.ts'
import { NotYet } from '../bus/function.ts'
import { holdEnds, takeHold } from '../bus/hold.ts'
import { cleanUnfinished } from '../infra/backups.ts'
import { newestDue } from '../infra/planned.ts'
import { stateBelow } from '../infra/recover.ts'
import { refuseHalfRestored } from '../infra/restore/journal.ts'
import { warningList } from '../infra/warnings.ts'
import { defineFunction, type FunctionContext } from './define.ts'

/** How often a run that waits for another one of its source looks again, ms. */
const LOOK_AGAIN = 5000

export default defineFunction({
  name: 'snapshot',
  on: [events.plan.due],
  emits: [events.snapshot.done, events.snapshot.skipped],
  reads: holdEnds,
  remembers: ['run', 'planned'],
  async handle(due, context) {
    const { tools, signal, cause } = context
    const skipped = await reasonToSkip(due, context)
    if (skipped) return events.snapshot.skipped({ ...due, skipped })
    const holder = await takeHold(due, context)
    if (holder) throw new NotYet(`${due.source} is held by ${holder}`, LOOK_AGAIN)
    const { driver, host, hostConfig, config } = tools.source(due.source)
    await refuseHalfRestored(host, stateBelow(hostConfig.root), due.source)
    await cleanUnfinished(host, hostConfig.root, { source: due.source })
    const warnings = warningList()
    const { source, id } = due
    const work = { host, source, id, options: config.options, signal, progress: context.progress, warn: warnings.add }
    const held = await driver.snapshot({ ...work, root: hostConfig.root })
    return events.snapshot.done({
      ...due,
      root: hostConfig.root,
      snapshot: { at: cause.time.toISOString(), ...held, warnings: warnings.summary() },
    })
  },
})

async function reasonToSkip(due: Due, { planned, run, cause }: FunctionContext): Promise<string | undefined> {
  if ((await run.get(due.source))?.value === due.id) return undefined
  if (due.expires && Date.now() > Date.parse(due.expires)) return `its window ended at ${due.expires}`
  const present = new Date(Math.max(Date.now(), cause.time.getTime()))
  const newest = await newestDue(due.source, planned, present)
  return newest !== undefined && newest > due.id ? `overtaken by ${newest}` : undefined
}
