/** Proves one copy of a backup where it lies: its manifest, every checksum, and the kind's own check. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { VerificationFailed } from './errors.ts'
import type { Host } from './hosts/host.ts'
import { readBackup } from './inventory.ts'
import { MANIFEST } from './layout.ts'
import type { Check, Manifest } from './manifest.ts'
import type { Source, Work } from './sources/source.ts'
import { checkArtifacts } from './tools/checksums.ts'

export interface ProofWork extends Pick<Work<unknown>, 'host' | 'signal' | 'progress' | 'warn'> {
  directory: string
  driver: Source
  options: unknown
  /** The SHA-256 that manifest.json must have, where it is known. */
  expected: string | undefined
}

export interface Proof {
  manifest: Manifest
  checks: Check[]
}

/** Throws VerificationFailed naming what is wrong. Reads only. */
export async function prove({ directory, driver, options, expected, ...work }: ProofWork): Promise<Proof> {
  if (expected !== undefined) await checkManifest(work.host, directory, expected)
  const backup = await readBackup(work.host, directory)
  if (!backup) throw wrongManifest(directory, false)
  const { manifest } = backup
  const checks = await checkArtifacts(work.host, directory, manifest, work.signal)
  const own = await driver.verify({ ...work, source: manifest.source, id: manifest.id, options, directory, manifest })
  return { manifest, checks: [...checks, ...own] }
}

/** Before it is read: one that was edited may not even be a manifest any more. */
async function checkManifest(host: Host, directory: string, expected: string): Promise<void> {
  const bytes = await host.readIfThere(join(directory, MANIFEST))
  if (!bytes || createHash('sha256').update(bytes).digest('hex') !== expected) throw wrongManifest(directory, bytes !== undefined)
}

function wrongManifest(directory: string, there: boolean): VerificationFailed {
  return new VerificationFailed(`${join(directory, MANIFEST)} is ${there ? 'not the one that was written' : 'gone'}`, {
    hint: 'Somebody or something changed it since. Restore from another copy; the next run makes a new backup.',
  })
}
