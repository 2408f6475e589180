/** What facts say of a backup that lies below a root. */
import type { Exported, Replicated, Snapshotted } from '../../bus/events.ts'
import type { Backup } from '../../infra/inventory.ts'
import { readBackup } from '../../infra/inventory.ts'
import { makeBackup } from '../services/backup.ts'
import type { Stage } from './stage.ts'

const warnings = { count: 0, first: [] }
const consistency = { asked: 'crash', achieved: 'crash' } as const

/** A backup of `docs` as export leaves it, and the fact about it. */
export async function exportedBackup(
  stage: Stage,
  at = '2026-11-21T02:00:00.000Z',
): Promise<{ backup: Backup; exported: Exported }> {
  const { directory } = await makeBackup(stage.root, { source: 'docs', at, label: 'here' })
  const backup = await readBackup(stage.tools.host('local'), directory)
  if (!backup) throw new Error(`${directory} holds no backup`)
  const { id, day, plans, bytes, artifacts, parent } = backup.manifest
  const due = { id, source: 'docs', host: 'local', kind: 'files', at, day, plans, cause: 'tick-1' }
  const snapshotted: Snapshotted = {
    ...due,
    root: stage.root,
    snapshot: { at, consistency, expected: 0, held: null, tools: {}, warnings },
  }
  const rest = { directory, manifest: backup.digest, bytes, artifacts: artifacts.length, warnings, parent, consistency }
  return { backup, exported: { ...snapshotted, ...rest } }
}

/** The fact at the end of the way to the vaults. */
export function replicated(exported: Exported): Replicated {
  return { ...exported, checks: [], verified: exported.at, copies: [], missing: [] }
}

export const failure = { name: 'Error', message: 'the disk is on fire', hint: 'Call the fire brigade.', retryable: false }
