import { expect, test } from 'vitest'
import { median, percentile, sideBySide } from '../../bench/measure.ts'
import { keeps, table } from '../../bench/table.ts'

test('medians and percentiles', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(percentile([5, 1, 4, 2, 3], 0.99)).toBe(5)
  expect(() => median([])).toThrow('nothing was measured')
})

test('both take turns, and each begins as often', async () => {
  const order: string[] = []
  const turn = (name: string, figure: number) => async () => {
    order.push(name)
    return figure
  }
  expect(await sideBySide({ rounds: 2, ours: turn('ours', 3), peer: turn('peer', 2) })).toEqual({ ours: 3, peer: 2, ratio: 1.5 })
  expect(order).toEqual(['ours', 'peer', 'peer', 'ours'])
})

test('a row is judged by its ratio, or without a peer by its own figure', () => {
  expect(keeps({ claim: 'a', ours: 9, peer: 8, ratio: 1.125, limit: { atMost: 1.15 }, unit: 's' })).toBe(true)
  expect(keeps({ claim: 'a', ours: 299, limit: { atLeast: 300 }, unit: '/s' })).toBe(false)
  expect(keeps({ claim: 'a', ours: 1, unit: 's' })).toBeUndefined()
})

test('a row with a peer may be judged by its own figure all the same', () => {
  const row = { claim: 'a', ours: 30, peer: 3, ratio: 10, unit: 'ms' }
  expect(keeps({ ...row, limit: { atMost: 40, of: 'ours' } })).toBe(true)
  expect(keeps({ ...row, limit: { atMost: 9 } })).toBe(false)
})

test('the table lines up', () => {
  const rows = [
    { claim: 'files against tar', ours: 1.2345, peer: 1.1, ratio: 1.122, limit: { atMost: 1.15 }, unit: 's' },
    { claim: 'idle', ours: 81, limit: { atMost: 120 }, unit: 'MB' },
  ]
  expect(table(rows).split('\n')).toEqual([
    'claim                ours   peer  ratio     limit',
    'files against tar  1.23 s  1.1 s   1.12    ≤ 1.15  kept',
    'idle                81 MB                ≤ 120 MB  kept',
  ])
})
