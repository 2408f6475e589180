/** Ends a run: says how it went, in report.md beside the backup and in every vault that has a copy. */
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataOf } from '../bus/event.ts'
import { events, type Reported } from '../bus/events.ts'
import { NotYet } from '../bus/function.ts'
import { messageOf } from '../infra/errors.ts'
import { type Backup, readBackup } from '../infra/inventory.ts'
import { REPORT } from '../infra/layout.ts'
import { reportText } from '../infra/report.ts'
import { type WarningList, warningList } from '../infra/warnings.ts'
import { defineFunction, type FunctionContext } from './define.ts'

/** A release that has not settled by then is reported as a warning, ms. */
const RELEASE_LIMIT = 10 * 60_000

const on = [
  events.snapshot.failed,
  events.snapshot.skipped,
  events.export.failed,
  events.verify.failed,
  events.prune.done,
  events.prune.failed,
]
type Ended = DataOf<(typeof on)[number]>

export default defineFunction({
  name: 'report',
  on,
  emits: [events.report.done],
  reads: [events.release.done, events.release.failed],
  async handle(ended, context) {
    const { id, source, host, at } = ended
    // What could not be read and names no backup ends no run.
    if (id === undefined || source === undefined || host === undefined) return []
    const warnings = warningList('warnings' in ended ? ended.warnings : undefined)
    await waitForRelease({ id, source, host }, ended, warnings, context)
    const backup = await backupOf(ended, context, warnings)
    for (const { vault, error } of ('missing' in ended && ended.missing) || []) warnings.add(`vault ${vault}: ${error}`)
    if ('problems' in ended) for (const problem of ended.problems) warnings.add(problem)
    const reported = summary({ id, source, host }, ended, backup, warnings, context)
    if (backup) await write(backup, reported, ended, warnings, context)
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(at ?? reported.at)) / 1000))
    return events.report.done({ ...reported, warnings: warnings.summary(), outcome: outcomeOf(ended, warnings), seconds })
  },
})

type Named = { id: string; source: string; host: string }

/** A run is not over while something of it is still held; but a release that hangs must not hide the backup. */
async function waitForRelease(
  named: Named,
  ended: Ended,
  warnings: WarningList,
  { find, cause }: FunctionContext,
): Promise<void> {
  if ('skipped' in ended) return
  for (let looks = 0; looks < 5; looks++) {
    if (await find(events.release.done, named)) return
    const failed = await find(events.release.failed, named)
    if (failed) return warnings.add(`release failed: ${failed.error.message}`)
    await sleep(20 * 2 ** looks)
  }
  if (Date.now() - cause.time.getTime() < RELEASE_LIMIT) throw new NotYet('not yet released', 5000)
  warnings.add('not yet released: something of this backup is still held on its host; see holdfast status')
}

async function backupOf(ended: Ended, { tools }: FunctionContext, warnings: WarningList): Promise<Backup | undefined> {
  if (!('directory' in ended) || ended.directory === undefined || ended.host === undefined) return undefined
  try {
    return await readBackup(tools.host(ended.host), ended.directory)
  } catch (error) {
    warnings.add(messageOf(error))
    return undefined
  }
}

function summary(
  named: Named,
  ended: Ended,
  backup: Backup | undefined,
  warnings: WarningList,
  context: FunctionContext,
): Reported {
  const error = errorOf(ended)
  return {
    ...named,
    outcome: outcomeOf(ended, warnings),
    ended: context.came,
    at: context.cause.time.toISOString(),
    ...(backup ? { bytes: backup.manifest.bytes, directory: backup.directory, copies: backup.copies } : {}),
    verified: backup?.verified !== undefined && backup.failed === undefined,
    warnings: warnings.summary(),
    ...(error && { error }),
    seconds: 0,
  }
}

function outcomeOf(ended: Ended, warnings: WarningList): Reported['outcome'] {
  if ('skipped' in ended) return 'skipped'
  if (errorOf(ended)) return 'failed'
  return warnings.summary().count ? 'warnings' : 'done'
}

/** A step that failed, or the lack of what was required: that alone undoes nothing of what is there. */
function errorOf(ended: Ended): Reported['error'] {
  if ('error' in ended && ended.error) return ended.error
  if (!('incomplete' in ended) || ended.incomplete === undefined) return undefined
  const hint = 'What is there can be restored, was copied and is kept. Mend this, and back up again.'
  return { name: 'Incomplete', message: ended.incomplete, hint, retryable: false }
}

/** What cannot be written is said in the report's own fact: a run always ends. */
async function write(
  backup: Backup,
  reported: Reported,
  ended: Ended,
  warnings: WarningList,
  { tools }: FunctionContext,
): Promise<void> {
  const host = tools.host(reported.host)
  const places = 'pruned' in ended ? ended.pruned : []
  await attempt('report.md', warnings, async () => {
    // Its source may have left the configuration meanwhile.
    const space = await host.space(dirname(dirname(backup.directory)))
    const made = tools.kind(backup.manifest.kind)?.describe?.(backup.manifest) ?? []
    const text = reportText({ backup, made, reported: { ...reported, warnings: warnings.summary() }, places, space })
    await attempt(`report.md in ${backup.directory}`, warnings, () => host.write(join(backup.directory, REPORT), text))
    await Promise.all(
      backup.copies.map(copy =>
        attempt(`report.md in vault ${copy.vault}`, warnings, () =>
          tools.vault(copy.vault).vault.annotate({ ...backup, directory: copy.directory }, REPORT, text),
        ),
      ),
    )
  })
}

async function attempt(what: string, warnings: WarningList, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    warnings.add(`${what} was not written: ${messageOf(error)}`)
  }
}
