/** Fixes the point in time: checks that the run may begin, takes the source's hold, lets the kind do its quick part. */

import type { Due } from '../bus/events.ts'
import { events } from '../bus/events.ts'
import { NotYet } from '../bus/function.ts'
import { holdEnds, isAtWork, takeHold, workEnds } from '../bus/hold.ts'
import { cleanUnfinished } from '../infra/backups.ts'
import { messageOf } from '../infra/errors.ts'
import { type Backup, verifiedBackups } from '../infra/inventory.ts'
import { newestDue } from '../infra/planned.ts'
import { stateBelow } from '../infra/recover.ts'
import { refuseHalfRestored } from '../infra/restore/journal.ts'
import { planRoot, rotate } from '../infra/rotation.ts'
import { type WarningList, warningList } from '../infra/warnings.ts'
import { defineFunction, type FunctionContext } from './define.ts'

/** How often a run that waits for another one of its source looks again, ms. */
const LOOK_AGAIN = 5000

/** Below this share of the disk, what retention lets go goes before the run. */
const SCARCE = 0.2

export default defineFunction({
  name: 'snapshot',
  on: [events.plan.due],
  emits: [events.snapshot.done, events.snapshot.skipped],
  reads: [...holdEnds, ...workEnds],
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
    await makeRoom(due, warnings, context)
    const { source, id } = due
    const work = { host, source, id, options: config.options, signal, progress: context.progress, warn: warnings.add }
    const earlier = () => verifiedBackups(host, hostConfig.root, source)
    const held = await driver.snapshot({ ...work, root: hostConfig.root, mode: due.mode, earlier })
    return events.snapshot.done({
      ...due,
      root: hostConfig.root,
      snapshot: { at: cause.time.toISOString(), ...held, warnings: warnings.summary() },
    })
  },
})

/** A run that meets a full disk ends before its prune: without this, a disk that was full once would stay so. */
async function makeRoom({ source: name, host }: Due, warnings: WarningList, context: FunctionContext): Promise<void> {
  const source = context.tools.source(name)
  const inProgress = ({ manifest: { id, at }, verified, failed }: Backup) =>
    isAtWork({ id, source: name, host, at, proven: Boolean(verified ?? failed) }, context)
  try {
    const { free, total } = await source.host.space(source.hostConfig.root)
    if (free >= total * SCARCE) return
    const { removed, problems } = await rotate(await planRoot({ tools: context.tools, source, inProgress }))
    for (const problem of problems) warnings.add(problem)
    if (removed.length) context.log.info({ source: name, removed, free, total }, 'made room before the run')
  } catch (error) {
    warnings.add(`the disk of ${host} is nearly full, or does not say, and no room was made: ${messageOf(error)}`)
  }
}

async function reasonToSkip(due: Due, { planned, run, cause }: FunctionContext): Promise<string | undefined> {
  if ((await run.get(due.source))?.value === due.id) return undefined
  if (due.expires && Date.now() > Date.parse(due.expires)) return `its window ended at ${due.expires}`
  const present = new Date(Math.max(Date.now(), cause.time.getTime()))
  const newest = await newestDue(due.source, planned, present)
  return newest !== undefined && newest > due.id ? `overtaken by ${newest}` : undefined
}
