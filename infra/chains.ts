/** Chains in retention: which backups build on which, and what keeps a whole chain. Pure. */
import type { Backup } from './inventory.ts'

type Linked = Pick<Backup, 'manifest' | 'verified' | 'failed'>

/** Adds what a kept backup builds on, however far down, and then the rest of its chain: it expires as a whole. */
export function keepChains(backups: readonly Linked[], reasons: ReadonlyMap<string, string[]>): void {
  keepParents(backups, reasons)
  const roots = rootsOf(backups)
  const kept = new Map<string, string>()
  for (const { manifest } of backups) if (reasons.get(manifest.id)?.length) kept.set(roots.get(manifest.id) ?? '', manifest.id)
  for (const { manifest, verified, failed } of backups) {
    const [mine, other] = [reasons.get(manifest.id), kept.get(roots.get(manifest.id) ?? '')]
    // What failed is nobody's to restore, and its chain does without it.
    if (mine && !mine.length && other !== undefined && verified && !failed) mine.push(`in one chain with ${other}`)
  }
}

/** Children before what they build on: who is interrupted leaves no child behind without its parent. */
export function childrenFirst<One extends Pick<Backup, 'manifest'>>(backups: readonly One[]): One[] {
  const depths = new Map<string, number>()
  const parents = new Map(backups.map(({ manifest }) => [manifest.id, manifest.parent]))
  for (const id of parents.keys()) depths.set(id, ancestry(id, parents).length)
  return backups.toSorted((a, b) => (depths.get(b.manifest.id) ?? 0) - (depths.get(a.manifest.id) ?? 0))
}

function keepParents(backups: readonly Linked[], reasons: ReadonlyMap<string, string[]>): void {
  const parents = new Map(backups.map(({ manifest }) => [manifest.id, manifest.parent]))
  for (const [id, why] of [...reasons]) {
    if (!why.length) continue
    let child = id
    for (const parent of ancestry(id, parents)) {
      const known = reasons.get(parent)
      if (known && !known.length) known.push(`parent of ${child}`)
      child = parent
    }
  }
}

/** The oldest member of each backup's chain; of one that stands alone, itself. */
function rootsOf(backups: readonly Linked[]): Map<string, string> {
  const parents = new Map(backups.map(({ manifest }) => [manifest.id, manifest.parent]))
  return new Map([...parents.keys()].map(id => [id, ancestry(id, parents).at(-1) ?? id]))
}

/** What it builds on, nearest first, as far as it is known. A manifest that names itself ends it. */
function ancestry(id: string, parents: ReadonlyMap<string, string | null>): string[] {
  const found: string[] = []
  for (let parent = parents.get(id); parent && !found.includes(parent); parent = parents.get(parent)) found.push(parent)
  return found
}
