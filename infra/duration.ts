/** Durations and sizes as people write them in `holdfast.yaml`: `10m`, `1h30m`, `4GiB`. */
import { z } from 'zod'

const milliseconds: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const bytes: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** A duration as it is written. */
export const durationPattern = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/
/** A size as it is written. */
export const sizePattern = /^(\d+(?:\.\d+)?) ?([kKMGT]i?B|B)$/
const durationExpected = 'expected a duration such as 90s, 10m, 6h or 1d'
const sizeExpected = 'expected a size such as 500MB or 4GiB'

/** A duration as text; in code, whole milliseconds. A day is 24 hours. */
export const Duration = z
  .string({ error: durationExpected })
  .regex(durationPattern, durationExpected)
  .transform(text => Math.round(sum(text)))
  .refine(Number.isSafeInteger, durationExpected)

/** A size as text; in code, whole bytes. `GB` is 10⁹, `GiB` 2³⁰. */
export const Size = z
  .string({ error: sizeExpected })
  .regex(sizePattern, sizeExpected)
  .transform(text => {
    const [, number = '', unit = ''] = sizePattern.exec(text) ?? []
    return Math.round(Number(number) * (bytes[unit] ?? Number.NaN))
  })
  .refine(Number.isSafeInteger, sizeExpected)

/** Milliseconds in the largest unit that says them exactly: 5_400_000 → `90m`. */
export function formatDuration(duration: number): string {
  const [unit, factor] = Object.entries(milliseconds).findLast(([, factor]) => duration % factor === 0 && duration >= factor) ?? [
    'ms',
    1,
  ]
  return `${duration / factor}${unit}`
}

function sum(text: string): number {
  const parts = [...text.matchAll(/([\d.]+)([a-z]+)/g)]
  return parts.reduce((total, [, number = '', unit = '']) => total + Number(number) * (milliseconds[unit] ?? Number.NaN), 0)
}
