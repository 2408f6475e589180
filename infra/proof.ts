/** Proves one copy of a backup where it lies: its manifest, every checksum, and the kind's own check. */
import { join } from 'node:path'
import { parseDocument, sha256 } from './documents.ts'
import { VerificationFailed } from './errors.ts'
import type { Host } from './hosts/host.ts'
import { readBackup } from './inventory.ts'
import { MANIFEST } from './layout.ts'
import { type Check, Manifest } from './manifest.ts'
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
  const manifest = await readManifest(work.host, directory, expected)
  const checks = await checkArtifacts(work.host, directory, manifest, work.signal)
  const own = await driver.verify({ ...work, source: manifest.source, id: manifest.id, options, directory, manifest })
  return { manifest, checks: [...checks, ...own] }
}

/** The manifest whose SHA-256 is this one; where that is not known, the one that was verified. Throws VerificationFailed. */
export async function readManifest(host: Host, directory: string, expected: string | undefined): Promise<Manifest> {
  if (expected === undefined) {
    const backup = await readBackup(host, directory)
    if (!backup) throw wrongManifest(directory, false)
    return backup.manifest
  }
  const path = join(directory, MANIFEST)
  const bytes = await host.readIfThere(path)
  // Compared before it is parsed: one that was edited may not even be a manifest any more.
  if (!bytes || sha256(bytes) !== expected) throw wrongManifest(directory, bytes !== undefined)
  return parseDocument(path, bytes, Manifest)
}

function wrongManifest(directory: string, there: boolean): VerificationFailed {
  return new VerificationFailed(`${join(directory, MANIFEST)} is ${there ? 'not the one that was written' : 'gone'}`, {
    hint: 'Somebody or something changed it since. Restore from another copy; the next run makes a new backup.',
  })
}
