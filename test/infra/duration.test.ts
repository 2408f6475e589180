import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Duration, formatDuration, Size } from '../../infra/duration.ts'

test.each([
  ['500ms', 500],
  ['0.5s', 500],
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['1d', 86_400_000],
  ['2w', 1_209_600_000],
])('%s', (text, milliseconds) => {
  expect(Duration.parse(text)).toBe(milliseconds)
})

test.each(['', '10', '10 m', 'm', '-1m', '1.m', '1y', '9999999999999d', 10, null])('%j is no duration', value => {
  expect(Duration.safeParse(value).error?.issues[0]?.message).toBe('expected a duration such as 90s, 10m, 6h or 1d')
})

test.each([
  ['12B', 12],
  ['500MB', 500_000_000],
  ['4GiB', 4_294_967_296],
  ['1.5 KiB', 1_536],
])('%s', (text, bytes) => {
  expect(Size.parse(text)).toBe(bytes)
})

test.each(['', '4', '4G', '4gib', '-1MB', '99999999TiB', 4])('%j is no size', value => {
  expect(Size.safeParse(value).error?.issues[0]?.message).toBe('expected a size such as 500MB or 4GiB')
})

test('what is said of a duration reads back as the same', () => {
  fc.assert(
    fc.property(fc.nat(), milliseconds => {
      expect(Duration.parse(formatDuration(milliseconds))).toBe(milliseconds)
    }),
  )
  expect([5_400_000, 86_400_000, 1_500].map(formatDuration)).toEqual(['90m', '1d', '1500ms'])
})
