/** Where each artifact of a copy may take its bytes from, other than from the source. */
import { join } from 'node:path'
import type { Host } from '../hosts/host.ts'
import type { Backup } from '../inventory.ts'
import type { Artifact } from '../manifest.ts'
import type { Basis } from './rsync.ts'

/** Files that are copied by one call. */
export interface Origin {
  names: string[]
  bytes: number
  basis: Basis | undefined
}

export interface Bases {
  /** What killed writers left of the same backup. Their files bear final names; one that was being written is short. */
  older: readonly string[]
  /** A whole copy of another backup of the source. */
  basis: Backup | undefined
}

/** Groups artifacts by the best basis that each of them has. */
export async function chooseOrigins(host: Host, artifacts: readonly Artifact[], bases: Bases): Promise<Origin[]> {
  const groups = new Map<string, Origin>()
  for (const artifact of artifacts) {
    const basis = await bestBasis(host, artifact, bases)
    const key = basis ? `${basis.files} ${basis.directory}` : ''
    const group = groups.get(key) ?? { names: [], bytes: 0, basis }
    group.names.push(artifact.name)
    group.bytes += artifact.bytes
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** The same bytes by the word of another manifest; then what had arrived already; then what the last copy has alike. */
async function bestBasis(host: Host, artifact: Artifact, { older, basis }: Bases): Promise<Basis | undefined> {
  const relative = basis?.manifest.artifacts.find(({ name }) => name === artifact.name)
  if (basis && relative?.sha256 === artifact.sha256) return { directory: basis.directory, files: 'same' }
  const { directory, size } = await largest(host, artifact.name, older)
  if (directory && size === artifact.bytes) return { directory, files: 'same' }
  if (directory && (size >= artifact.bytes / 2 || (size && !relative))) return { directory, files: 'similar' }
  return basis && relative ? { directory: basis.directory, files: 'similar' } : undefined
}

async function largest(host: Host, name: string, directories: readonly string[]): Promise<{ directory?: string; size: number }> {
  let best: { directory?: string; size: number } = { size: 0 }
  for (const directory of directories) {
    const found = await host.stat(join(directory, name))
    if (found?.type === 'file' && found.size >= best.size) best = { directory, size: found.size }
  }
  return best
}
