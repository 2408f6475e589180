/** The rules by which a domain's capture is chosen. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidate, choose, type KnownDisk, type Situation } from '../../../../infra/sources/vm/choose.ts'
import { methods, modes } from '../../../../infra/sources/vm/options.ts'

const DAY = 24 * 3600_000
const now = new Date('2026-11-21T02:00:00Z')

const vda: KnownDisk = {
  target: 'vda',
  source: '/images/zeus.qcow2',
  format: 'qcow2',
  capacity: 1000,
  tracks: true,
  encrypted: false,
}
const vdb: KnownDisk = {
  target: 'vdb',
  source: '/images/data.raw',
  format: 'raw',
  capacity: 500,
  tracks: false,
  encrypted: false,
}

function candidate(id: string, change: Partial<Candidate> = {}): Candidate {
  const { target, source, capacity } = vda
  const image = { target, artifact: 'zeus_vda.qcow2', format: 'qcow2', capacity, source, sourceFormat: 'qcow2', parent: null }
  const changed = new Set(['vda'])
  return { id, uuid: 'one', method: 'incremental', images: [image], fullAt: new Date(now.getTime() - DAY), changed, ...change }
}

function situation(change: Partial<Situation> = {}): Situation {
  const options = { mode: 'auto', method: 'auto', fullEvery: 7 * DAY } as const
  return {
    options,
    asked: undefined,
    active: true,
    uuid: 'one',
    disks: [vda],
    foreign: [],
    snapshots: [],
    candidates: [],
    now,
    ...change,
  }
}

const last = candidate('zeus-20261120T020000Z')

describe('the mode', () => {
  test.each([
    ['auto', true, 'live'],
    ['auto', false, 'offline'],
    ['live', true, 'live'],
    ['live', false, 'offline'],
    ['offline', true, 'offline'],
    ['snapshot', true, 'snapshot'],
  ] as const)('%s of a domain that runs: %s is %s', (asked, active, mode) => {
    expect(choose(situation({ asked, active })).mode).toBe(mode)
  })

  test('what the tick asks for comes before what is configured', () => {
    const options = { ...situation().options, mode: 'live' } as const
    expect(choose(situation({ options, asked: 'offline' })).mode).toBe('offline')
  })
})

describe('the method', () => {
  test('a guest that is off is copied closed, and keeps what the next increment builds on', () => {
    const chosen = choose(situation({ active: false, candidates: [last] }))
    expect(chosen).toMatchObject({ mode: 'offline', method: 'convert', parent: null, warnings: [] })
  })

  test('snapshots, ours too, forbid increments: going back to one changes disks and no bitmap', () => {
    const chosen = choose(situation({ snapshots: ['zeus-20261119T020000Z'], candidates: [last] }))
    expect(chosen).toMatchObject({ method: 'copy', parent: null, increments: [] })
    expect(chosen.warnings).toEqual([expect.stringContaining('virsh snapshot-delete')])
  })

  test('raw disks alone are copied; beside qcow2 ones they are copied in the same job', () => {
    expect(choose(situation({ disks: [vdb] }))).toMatchObject({ method: 'copy', increments: [], warnings: [] })
    expect(choose(situation({ disks: [vda, vdb], candidates: [last] }))).toMatchObject({
      method: 'incremental',
      increments: ['vda'],
    })
  })

  test('increments of raw disks alone are refused with advice', () => {
    const options = { ...situation().options, method: 'incremental' } as const
    expect(() => choose(situation({ options, disks: [vdb] }))).toThrow(/none of its disks.*vdb \(raw\)/)
  })

  test('a disk that is encrypted is not so in the backup, which is said', () => {
    const { warnings } = choose(situation({ disks: [{ ...vda, encrypted: true }] }))
    expect(warnings).toEqual([expect.stringMatching(/^vda is encrypted/)])
  })

  test.each([
    ['a guest that is off', { active: false }, /vda of it: encrypted, and it is off/],
    ['external', { options: { ...situation().options, method: 'external' as const } }, /with method: external nobody can read/],
  ])('an encrypted disk is refused where no QEMU would read it: %s', (_, change, message) => {
    const disks = [{ ...vda, encrypted: true }, vdb]
    expect(() => choose(situation({ ...change, disks }))).toThrow(message)
    expect(choose(situation({ ...change, disks: [vda, vdb] })).warnings).toEqual([])
  })

  test("checkpoints of somebody else's make it a copy, with a warning that names them", () => {
    const { method, parent, warnings } = choose(situation({ foreign: ['theirs'], candidates: [last] }))
    expect({ method, parent }).toEqual({ method: 'copy', parent: null })
    expect(warnings.join()).toContain('theirs')
  })
})

describe('the parent', () => {
  test('is the newest that can be built on; the first backup has none, and that is no warning', () => {
    const older = candidate('zeus-20261119T020000Z')
    expect(choose(situation({ candidates: [older, last] }))).toMatchObject({ parent: last.id, warnings: [] })
    expect(choose(situation())).toMatchObject({ parent: null, warnings: [] })
  })

  test.each<[string, Partial<Situation>, RegExp]>([
    ['another domain of that name', { uuid: 'two' }, /another domain/],
    ['a checkpoint that is gone', { candidates: [candidate(last.id, { changed: undefined })] }, /gone or broken/],
    ['files that are gone', { candidates: [candidate(last.id, { fullAt: undefined })] }, /missing/],
    ['a disk of another size', { disks: [{ ...vda, capacity: 2000 }] }, /size was 1000/],
    ['another file', { disks: [{ ...vda, source: '/other' }] }, /lay at/],
    ['a disk that its checkpoint does not follow', { candidates: [candidate(last.id, { changed: new Set() })] }, /not known/],
  ])('none, with a warning: %s', (_, change, why) => {
    const { parent, warnings } = choose(situation({ candidates: [last], ...change }))
    expect(parent).toBeNull()
    expect(warnings.join('\n')).toMatch(why)
  })

  test('none, without a warning, once the full is as old as configured', () => {
    const old = candidate(last.id, { fullAt: new Date(now.getTime() - 7 * DAY) })
    const why = expect.stringContaining('full')
    expect(choose(situation({ candidates: [old] }))).toMatchObject({ parent: null, warnings: [], why })
  })

  test('whatever there is: an increment has a parent of this domain with sound changes and a whole chain, never too old', () => {
    const disk = fc.record({
      target: fc.constantFrom('vda', 'vdb', 'vdc'),
      source: fc.constantFrom('/a', '/b'),
      format: fc.constantFrom('qcow2', 'raw'),
      capacity: fc.constantFrom(1000, 2000),
    })
    const disks = fc.uniqueArray(disk, { minLength: 1, selector: ({ target }) => target })
    const known = fc.record({
      uuid: fc.constantFrom('one', 'two'),
      method: fc.constantFrom('incremental', 'copy', 'external'),
      age: fc.option(fc.integer({ min: 0, max: 14 * DAY }), { nil: undefined }),
      changed: fc.option(fc.subarray(['vda', 'vdb', 'vdc']), { nil: undefined }),
      disks,
    })
    const foreign = fc.subarray(['theirs'])
    fc.assert(
      fc.property(
        disks,
        fc.array(known),
        foreign,
        fc.boolean(),
        fc.constantFrom(...methods),
        fc.constantFrom(...modes),
        (...given) => {
          const [current, before, strangers, active, method, mode] = given
          const candidates = before.map(({ uuid, method, age, changed, disks }, index) =>
            candidate(`zeus-${index}`, {
              uuid,
              method,
              images: disks.map(({ target, source, capacity }) => ({ ...image, target, source, capacity })),
              fullAt: age === undefined ? undefined : new Date(now.getTime() - age),
              changed: changed && new Set(changed),
            }),
          )
          const tracked = current.map(disk => ({ ...disk, tracks: disk.format === 'qcow2', encrypted: false }))
          fc.pre(method !== 'incremental' || tracked.some(({ tracks }) => tracks))
          const options = { mode, method, fullEvery: 7 * DAY }
          const chosen = choose(situation({ options, active, disks: tracked, foreign: strangers, snapshots: [], candidates }))
          const parent = candidates.find(({ id }) => id === chosen.parent)
          expect(chosen.parent === null).toBe(chosen.increments.length === 0)
          if (!parent) return
          expect(chosen.method).toBe('incremental')
          expect(strangers).toEqual([])
          expect(parent).toMatchObject({ uuid: 'one', method: 'incremental' })
          expect(now.getTime() - (parent.fullAt?.getTime() ?? 0)).toBeLessThan(7 * DAY)
          for (const target of chosen.increments) {
            const [is, was] = [tracked.find(disk => disk.target === target), parent.images.find(disk => disk.target === target)]
            expect(was).toMatchObject({ source: is?.source, capacity: is?.capacity })
            expect(is?.tracks && parent.changed?.has(target)).toBe(true)
          }
        },
      ),
    )
  })
})

const image = { artifact: 'image.qcow2', format: 'qcow2', sourceFormat: 'qcow2', parent: null }
