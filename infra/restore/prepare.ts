/** Proves a backup and brings it beside its targets. Nothing that is in use is touched. */
import { join } from 'node:path'
import { proveAncestors } from '../chain.ts'
import { InvalidInput } from '../errors.ts'
import type { Manifest } from '../manifest.ts'
import type { RestoreWork, Source } from '../sources/source.ts'
import { checkArtifacts } from '../tools/checksums.ts'
import { type Journal, refuseSecond, writeJournal } from './journal.ts'
import { discard, stagedOf } from './staged.ts'
import type { Restore } from './work.ts'

export async function prepare(restore: Restore): Promise<Journal> {
  const { backup, host, driver, to, part, token, signal } = restore
  const { manifest, directory } = backup
  refuseUnknownPart(driver, manifest, part)
  const began = new Date().toISOString()
  const work = workOf(restore)
  const checks = [
    ...(await checkArtifacts(host, directory, manifest, signal)),
    ...(await proveAncestors(host, backup, signal)),
    ...(await driver.verify(work)),
  ]
  const staged = await driver.stage(work)
  const steps = staged.replacements.map(({ target, staged }) => ({ target, staged: staged ?? null }))
  const journal: Journal = {
    version: 1,
    token,
    backup: manifest.id,
    elsewhere: to !== undefined,
    ...(to === undefined ? {} : { to }),
    ...(part === undefined ? {} : { part }),
    phase: 'staged',
    began,
    steps,
    scratch: [...staged.scratch, work.scratch],
    leftOut: staged.leftOut,
    checks: [...checks, ...staged.checks],
  }
  try {
    signal.throwIfAborted()
    await refuseSecond(host, restore.state, journal)
    return await writeJournal(host, restore.state, journal)
  } catch (error) {
    if (!signal.aborted) await discard(host, stagedOf(journal))
    throw error
  }
}

/** What the kind's own verbs get. */
export function workOf({ backup, host, options, to, part, token, state, signal, progress, warn }: Restore): RestoreWork<unknown> {
  const { manifest, directory } = backup
  const work = { host, source: manifest.source, id: manifest.id, options, directory, manifest, signal, progress, warn }
  return { ...work, to, part, token, scratch: join(state, `scratch-${token}`) }
}

/** Throws InvalidInput with what there is. */
export function refuseUnknownPart(driver: Source, manifest: Manifest, part: string | undefined): void {
  const parts = driver.parts?.(manifest) ?? []
  if (part === undefined || parts.includes(part)) return
  throw new InvalidInput(`${manifest.id} has no part ${JSON.stringify(part)} that can be restored alone`, {
    hint: parts.length ? `There is: ${parts.join(', ')}.` : `The kind ${driver.kind} is restored as a whole.`,
  })
}
