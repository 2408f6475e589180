import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Backup } from '../../infra/inventory.ts'
import { type Decision, decide, type Rules } from '../../infra/prune.ts'
import { makeBackup } from '../services/backup.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { limits, policies, zone } from './candidates.ts'

const at = (hours: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + hours * 3_600_000).toISOString()

test('a backup inside its own source never takes the place of one that protects', async () => {
  const { manifest } = await makeBackup(await temporaryDirectory())
  const backupAt = ([hours, protects]: [number, boolean]): Backup => ({
    manifest: { ...manifest, id: `zeus-${hours}`, at: at(hours), ...(protects ? {} : { protects: false }) },
    digest: '',
    directory: `/${hours}`,
    verified: { at: at(hours), manifest: '0'.repeat(64), checks: [] },
    failed: undefined,
    hold: undefined,
    copies: [],
    drills: [],
  })
  const histories = fc.uniqueArray(fc.tuple(fc.nat(2000), fc.boolean()), { selector: ([hours]) => hours, maxLength: 20 })
  fc.assert(
    fc.property(histories, policies, (history, keep) => {
      const rules: Rules = { plans: { nightly: { keep, zone } }, own: undefined, inProgress: () => false, missingIn: () => [] }
      const backups = history.toSorted(([a], [b]) => a - b).map(backupAt)
      const protecting = backups.filter(backup => backup.manifest.protects !== false)
      expect(decide(backups, rules).filter(({ backup }) => protecting.includes(backup))).toEqual<Decision[]>(
        decide(protecting, rules),
      )
    }),
    limits,
  )
})
