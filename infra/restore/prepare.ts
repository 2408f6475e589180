/** Proves a backup and brings it beside its targets. Nothing that is in use is touched. */
import { proveAncestors } from '../chain.ts'
import { InvalidInput } from '../errors.ts'
import type { Manifest } from '../manifest.ts'
import type { Source, Staged } from '../sources/source.ts'
import { checkArtifacts } from '../tools/checksums.ts'
import { endInstant, stageInstantly } from './instant.ts'
import { type Journal, refuseSecond, writeJournal } from './journal.ts'
import { discard, stagedOf } from './staged.ts'
import { type Restore, workOf } from './work.ts'

export async function prepare(restore: Restore): Promise<Journal> {
  const { backup, host, driver, to, part, token, signal } = restore
  const { manifest } = backup
  refuseUnknownPart(driver, manifest, part)
  await driver.refuse?.(workOf(restore))
  const began = new Date().toISOString()
  const staged = restore.instant ? await stageInstantly(restore) : await stageProven(restore)
  const steps = staged.replacements.map(({ target, staged }) => ({ target, staged: staged ?? null }))
  const journal: Journal = {
    version: 1,
    token,
    backup: manifest.id,
    elsewhere: to !== undefined,
    ...(to === undefined ? {} : { to }),
    ...(part === undefined ? {} : { part }),
    ...(restore.instant ? { instant: true } : {}),
    phase: 'staged',
    began,
    steps,
    scratch: [...staged.scratch, workOf(restore).scratch],
    leftOut: staged.leftOut,
    checks: staged.checks,
  }
  try {
    signal.throwIfAborted()
    await refuseSecond(host, restore.state, journal)
    return await writeJournal(host, restore.state, journal)
  } catch (error) {
    if (!signal.aborted) await discard(host, stagedOf(journal))
    if (!signal.aborted && restore.instant) await endInstant(restore)
    throw error
  }
}

/** Everything is read before anything is written. */
async function stageProven(restore: Restore): Promise<Staged> {
  const { backup, host, driver, signal } = restore
  // An earlier try with this token may have been one that runs from the backup.
  if (driver.instant) await endInstant(restore)
  const work = workOf(restore)
  const checks = [
    ...(await checkArtifacts(host, backup.directory, backup.manifest, signal)),
    ...(await proveAncestors(host, backup, signal)),
    ...(await driver.verify(work)),
  ]
  const staged = await driver.stage(work)
  return { ...staged, checks: [...checks, ...staged.checks] }
}

/** Throws InvalidInput with what there is. */
export function refuseUnknownPart(driver: Source, manifest: Manifest, part: string | undefined): void {
  const parts = driver.parts?.(manifest) ?? []
  if (part === undefined || parts.includes(part)) return
  const there = parts.length ? `There is: ${parts.join(', ')}.` : `The kind ${driver.kind} is restored as a whole.`
  throw new InvalidInput(`${manifest.id} has no part ${JSON.stringify(part)} that can be restored alone`, {
    hint: manifest.incomplete === undefined ? there : `${there} It is incomplete: ${manifest.incomplete}`,
  })
}
