/** How much room overlays are given. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { overlayReserve } from '../../../../infra/sources/vm/room.ts'
import { MB } from './stored.ts'

test('a tenth of what a disk holds, 64 MB at least, and never more than it can ever take', () => {
  const cases = fc
    .tuple(fc.nat(2 ** 45), fc.nat(2 ** 45))
    .map(([a, b]) => ({ allocated: Math.min(a, b), capacity: Math.max(a, b) }))
  fc.assert(
    fc.property(cases, disk => {
      const reserve = overlayReserve(disk)
      expect(reserve).toBeLessThanOrEqual(disk.capacity)
      if (reserve < disk.capacity) expect(reserve).toBeGreaterThanOrEqual(Math.max(64 * MB, disk.allocated / 10))
    }),
  )
  expect(overlayReserve({ allocated: 10_000 * MB, capacity: 20_000 * MB })).toBe(1000 * MB)
  expect(overlayReserve({ allocated: 0, capacity: 20_000 * MB })).toBe(64 * MB)
})
