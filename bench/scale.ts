/** `BENCH_SCALE=0.1 npm run bench`: everything a tenth as large, to see whether it runs. Figures of such a run prove nothing. */
export const scale = Number(process.env.BENCH_SCALE ?? 1)

/** A size or a count at the scale of this run, `least` at least. */
export function scaled(size: number, least = 1): number {
  return Math.max(least, Math.round(size * scale))
}
