import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesOf, mostNights } from '../../infra/estimate.ts'
import type { Backup } from '../../infra/inventory.ts'
import { decide, type Rules } from '../../infra/prune.ts'
import { makeBackup } from '../services/backup.ts'
import { makeDirectory } from '../services/directory.ts'

const DAY = 24 * 3_600_000
const start = Date.parse('2026-01-01T02:00:00Z')
await using place = await makeDirectory()
const { manifest: sample } = await makeBackup(place.path)

function backupOf(night: number, parent: string | null): Backup {
  const at = new Date(start + night * DAY).toISOString()
  return {
    manifest: { ...sample, id: `zeus-${night}`, at, parent, bytes: parent === null ? 1000 : 10 },
    ...{ digest: '', directory: `/${night}`, hold: undefined, copies: [], drills: [], failed: undefined },
    verified: { at, manifest: '0'.repeat(64), checks: [] },
  }
}

test('seven days of keep hold up to fourteen nights of a chain of seven, and a chain of one adds nothing', () => {
  expect(mostNights({ daily: 7 }, 7 * DAY)).toEqual({ nights: 14, chains: 2 })
  expect(mostNights({ last: 7 }, DAY)).toMatchObject({ nights: 8 })
  expect(mostNights({ forever: true }, DAY)).toBeUndefined()
})

test('for every policy, no night holds more than it says', () => {
  const few = (max: number) => fc.option(fc.integer({ min: 0, max }), { nil: undefined })
  const policies = fc
    .record({ last: few(9), daily: few(9), weekly: few(3), monthly: few(3), atLeast: few(5) })
    .map(rules => Object.fromEntries(Object.entries(rules).filter(([, count]) => count !== undefined)))
    .filter(({ last, daily, weekly, monthly }) => Boolean(last || daily || weekly || monthly))
  fc.assert(
    fc.property(policies, fc.integer({ min: 1, max: 9 }), (keep, length) => {
      const rules: Rules = {
        plans: { nightly: { keep, zone: 'UTC' } },
        own: undefined,
        inProgress: () => false,
        missingIn: () => [],
      }
      const most = mostNights(keep, length * DAY)
      let left: Backup[] = []
      for (let night = 0; night < 130; night++) {
        const parent = night % length === 0 ? null : (left.at(-1)?.manifest.id ?? null)
        left = decide([...left, backupOf(night, parent)], rules).flatMap(({ keep, backup }) => (keep ? [backup] : []))
        expect(left.length).toBeLessThanOrEqual(most?.nights ?? 0)
        expect(left.filter(({ manifest }) => manifest.parent === null).length).toBeLessThanOrEqual(most?.chains ?? 0)
      }
    }),
    { numRuns: 25 },
  )
}, 30_000)

test('the room they take, by the sizes of what is there', () => {
  const backups = [backupOf(0, null), backupOf(1, 'zeus-0'), backupOf(2, 'zeus-1')]
  expect(bytesOf({ nights: 14, chains: 2 }, backups)).toEqual({ full: 1000, increment: 10, all: 2120 })
  expect(bytesOf({ nights: 14, chains: 2 }, [])).toBeUndefined()
})
