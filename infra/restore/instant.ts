/** A restore that runs from the backup itself: nothing is read first, and nothing may take the backup away until all of it is in place. */
import { join } from 'node:path'
import { hold, unhold } from '../backups.ts'
import { ancestorsOf } from '../chain.ts'
import { readDocument } from '../documents.ts'
import { InvalidInput, VerificationFailed } from '../errors.ts'
import { type Backup, readBackup } from '../inventory.ts'
import { HOLD } from '../layout.ts'
import { type Check, Hold, type Manifest } from '../manifest.ts'
import type { Instant, Source, Staged } from '../sources/source.ts'
import { instantRestores } from './journal.ts'
import { type Restore, workOf } from './work.ts'

/** Throws for kinds that cannot run from a backup, and for a part, which nothing can run from. */
export function refuseInstant(driver: Source, part: string | undefined): void {
  instantOf(driver)
  if (part === undefined) return
  throw new InvalidInput('a part of a backup cannot be restored instantly', { hint: 'Leave out --instant, or --part.' })
}

export function instantOf({ kind, instant }: Source): Instant<unknown> {
  if (instant) return instant
  throw new InvalidInput(`the kind ${kind} cannot run from its backup`, { hint: 'Restore it without --instant.' })
}

/** Trusts the last verification, and looks whether all that it spoke of is still there. The hold comes before anything depends on it. */
export async function stageInstantly(restore: Restore): Promise<Staged> {
  const { backup, host, driver, part, token } = restore
  refuseInstant(driver, part)
  const checks = await checkMetadata(restore)
  const held = await readDocument(host, join(backup.directory, HOLD), Hold)
  // A person's hold stays. That of another restore ends with that one, unless this one takes it over.
  if (!held || isOfRestore(held)) await hold(host, backup.directory, holdOf({ token, to: restore.to, backup: backup.manifest }))
  try {
    const staged = await instantOf(driver).stage(workOf(restore))
    return { ...staged, checks: [...checks, ...staged.checks] }
  } catch (error) {
    if (!restore.signal.aborted) await endInstant(restore)
    throw error
  }
}

/** Brings in what is still in the backup alone, while it is in use. */
export async function pull(restore: Restore): Promise<Check[]> {
  return await instantOf(restore.driver).pull(workOf(restore))
}

/** This restore does not depend on the backup any more; another one that does gets its hold. May be called again. */
export async function endInstant(restore: Restore): Promise<void> {
  const { backup, host, driver, state, token } = restore
  await instantOf(driver).letGo(workOf(restore))
  const held = await readDocument(host, join(backup.directory, HOLD), Hold)
  if (held?.by !== holderOf(token)) return
  const other = (await instantRestores(host, state, backup.manifest.id)).find(journal => journal.token !== token)
  if (other) await hold(host, backup.directory, holdOf({ token: other.token, to: other.to, backup: backup.manifest }))
  else await unhold(host, backup.directory)
}

function holdOf({ token, to, backup }: { token: string; to: string | undefined; backup: Manifest }): Hold {
  const reason = `${to ?? backup.source} runs from it until all of it is in place`
  return { at: new Date().toISOString(), reason, by: holderOf(token) }
}

const HOLDER = 'restore '

function holderOf(token: string): string {
  return `${HOLDER}${token}`
}

function isOfRestore({ by }: Hold): boolean {
  return by?.startsWith(HOLDER) ?? false
}

/** The manifests are those that were verified, and every artifact has its size. */
async function checkMetadata({ backup, host }: Restore): Promise<Check[]> {
  const own = await readBackup(host, backup.directory)
  if (!own) throw new VerificationFailed(`${backup.directory} has no manifest any more`)
  const members = [own, ...(await ancestorsOf(host, own))]
  for (const member of members) {
    refuseUnverified(member)
    for (const { name, bytes } of member.manifest.artifacts) {
      const path = join(member.directory, name)
      const found = (await host.stat(path))?.size
      if (found !== bytes) throw new VerificationFailed(`${path} has ${found ?? 'no'} bytes, the manifest says ${bytes}`)
    }
  }
  const since = members.map(({ verified }) => verified?.at ?? '').toSorted()[0]
  return [
    { name: 'trust', result: `${members.length} manifests and all sizes are as they were; checksums last compared ${since}` },
  ]
}

function refuseUnverified({ manifest, verified, failed }: Backup): void {
  if (verified && !failed) return
  const why = failed ? `its verification failed: ${failed.error}` : 'it was never verified'
  throw new VerificationFailed(`${manifest.id} cannot be run from: ${why}`, {
    hint: 'Restore it without --instant, which proves it first, or choose another backup: holdfast list',
  })
}
