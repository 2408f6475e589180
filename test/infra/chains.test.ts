import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ancestorsAmong } from '../../infra/chain.ts'
import { childrenFirst } from '../../infra/chains.ts'
import { VerificationFailed } from '../../infra/errors.ts'
import type { Backup } from '../../infra/inventory.ts'
import { type Decision, decide, type Rules } from '../../infra/prune.ts'
import { nextToScrub } from '../../infra/scrub.ts'
import { makeBackup } from '../services/backup.ts'
import { makeDirectory } from '../services/directory.ts'
import { limits, policies, zone } from './candidates.ts'

const DAY = 24 * 3_600_000
const start = Date.parse('2026-01-01T02:00:00Z')
await using place = await makeDirectory()
const { manifest: sample } = await makeBackup(place.path)

interface Fate {
  /** How many back its parent is; 0: it is a full one. */
  back: number
  verdict: 'good' | 'failed' | 'unverified'
}

/** One a night, as a chain hands them down: only what is good becomes a parent. */
function nights(fates: readonly Fate[]): Backup[] {
  const made: Backup[] = []
  for (const [night, { back, verdict }] of fates.entries()) {
    const parent = back > 0 ? made.filter(({ verified }) => verified).at(-back) : undefined
    made.push(backupOf(night, parent?.manifest.id ?? null, verdict))
  }
  return made
}

function backupOf(night: number, parent: string | null, verdict: Fate['verdict'] = 'good'): Backup {
  const at = new Date(start + night * DAY).toISOString()
  return {
    manifest: { ...sample, id: `zeus-${at.slice(0, 10).replaceAll('-', '')}T020000Z`, at, day: at.slice(0, 10), parent },
    digest: '',
    directory: `/${night}`,
    verified: verdict === 'good' ? { at, manifest: '0'.repeat(64), checks: [] } : undefined,
    failed: verdict === 'failed' ? { at, error: 'damaged' } : undefined,
    hold: undefined,
    copies: [],
    drills: [],
  }
}

function decided(backups: readonly Backup[], keep: Rules['plans'][string]['keep']): Decision[] {
  const rules: Rules = { plans: { nightly: { keep, zone } }, own: undefined, inProgress: () => false, missingIn: () => [] }
  return decide(backups, rules)
}

const fates = fc.array(
  fc.record({ back: fc.constantFrom(0, 1, 1, 1, 2), verdict: fc.constantFrom('good', 'good', 'good', 'failed', 'unverified') }),
  { maxLength: 40 },
) satisfies fc.Arbitrary<Fate[]>

describe('for every history of chains and every policy', () => {
  const holds = (property: (decisions: Decision[]) => void) =>
    fc.assert(
      fc.property(fates, policies, (history, policy) => property(decided(nights(history), policy))),
      limits,
    )
  const rootOf = (id: string, all: readonly Decision[]): string => {
    const parent = all.find(({ backup }) => backup.manifest.id === id)?.backup.manifest.parent
    return parent ? rootOf(parent, all) : id
  }

  test('what a kept one builds on is kept', () => {
    holds(all => {
      const kept = new Set(all.filter(({ keep }) => keep).map(({ backup }) => backup.manifest.id))
      const orphans = all.filter(({ keep, backup: { manifest } }) => keep && manifest.parent && !kept.has(manifest.parent))
      expect(orphans).toEqual([])
    })
  })

  test('a chain goes as a whole: all that is good in it, or nothing', () => {
    holds(all => {
      const good = all.filter(({ backup }) => backup.verified && !backup.failed)
      const chains = Map.groupBy(good, ({ backup }) => rootOf(backup.manifest.id, all))
      const torn = [...chains.values()].filter(chain => new Set(chain.map(({ keep }) => keep)).size > 1)
      expect(torn).toEqual([])
    })
  })

  test('children are removed before what they build on', () => {
    holds(all => {
      const order = childrenFirst(all.map(({ backup }) => backup)).map(({ manifest }) => manifest)
      const early = order.filter(({ id }, index) => order.slice(index + 1).some(({ parent }) => parent === id))
      expect(early).toEqual([])
    })
  })
})

test('seven daily copies of a chain of seven days hold up to fourteen nights, and then seven at once', () => {
  const counts: number[] = []
  let left: Backup[] = []
  for (let night = 0; night < 42; night++) {
    const parent = night % 7 === 0 ? null : (left.at(-1)?.manifest.id ?? null)
    left = decided([...left, backupOf(night, parent)], { daily: 7 }).flatMap(({ keep, backup }) => (keep ? [backup] : []))
    counts.push(left.length)
  }
  expect(Math.max(...counts)).toBe(13)
  // A chain goes on the night on which its last member would.
  expect(counts.slice(-8)).toEqual([7, 8, 9, 10, 11, 12, 13, 7])
})

test('the ancestors of a backup, nearest first; one that is missing and one that names itself fail loudly', () => {
  const [full, one, two] = [backupOf(0, null), backupOf(1, 'zeus-20260101T020000Z'), backupOf(2, 'zeus-20260102T020000Z')]
  expect(ancestorsAmong([full, one, two], two)).toEqual([one, full])
  expect(() => ancestorsAmong([full, two], two)).toThrow(VerificationFailed)
  expect(() => ancestorsAmong([full, two], two)).toThrow(
    'zeus-20260103T020000Z builds on zeus-20260102T020000Z, which is not there',
  )
  const itself = backupOf(3, 'zeus-20260104T020000Z')
  expect(() => ancestorsAmong([itself], itself)).toThrow(VerificationFailed)
})

describe('the slow re-reading', () => {
  test('leaves a young chain alone, and comes to every member in turn', () => {
    const chain: Backup[] = []
    const read: string[] = []
    for (let night = 0; night < 20; night++) {
      const backup = backupOf(night, chain[0]?.manifest.id ?? null)
      const member = nextToScrub(chain, new Date(start + night * DAY))
      if (member) read.push(member.manifest.id)
      const checks = member ? [{ name: 'older backup re-read', result: member.manifest.id }] : []
      if (backup.verified) backup.verified = { ...backup.verified, checks }
      chain.unshift(backup)
    }
    const nightOf = (id: string) =>
      (Date.parse(`${id.slice(5, 9)}-${id.slice(9, 11)}-${id.slice(11, 13)}`) - Date.parse('2026-01-01')) / DAY
    expect(read.slice(0, 3).map(nightOf)).toEqual([0, 1, 2])
    expect(read).toHaveLength(17)
    // One a night: within as many nights as the chain has members each has had its turn.
    expect(new Set(read.map(nightOf))).toEqual(new Set(Array.from({ length: 10 }, (_, night) => night)))
  })
})
