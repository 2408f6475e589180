/** What a bench says, and how it measures: side by side, in turns, medians. */

/** One claim and what came of it. */
export interface Row {
  claim: string
  ours: number
  /** The program measured beside us, in the same unit. */
  peer?: number
  /** `ours / peer`. */
  ratio?: number
  limit?: Limit
  unit: string
}

/** Kept by the ratio; by our own figure where there is no peer, or where `of` says so because the peer only gives the measure. */
export type Limit = ({ atMost: number } | { atLeast: number }) & { of?: 'ours' }

/** A file `bench/<name>.bench.ts` exports these two. */
export interface Bench {
  name: string
  run(): Promise<Row[]>
}

export interface Contest {
  rounds: number
  /** Each does its work once and answers with its figure: seconds, bytes, whatever the row's unit is. */
  ours(): Promise<number>
  peer(): Promise<number>
}

/** Medians of both, taken in turns so that a noisy moment meets both; who begins changes from round to round. */
export async function sideBySide({ rounds, ours, peer }: Contest): Promise<{ ours: number; peer: number; ratio: number }> {
  const figures: { ours: number[]; peer: number[] } = { ours: [], peer: [] }
  for (let round = 0; round < rounds; round++) {
    const turns = [async () => figures.ours.push(await ours()), async () => figures.peer.push(await peer())]
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn()
  }
  const middle = { ours: median(figures.ours), peer: median(figures.peer) }
  return { ...middle, ratio: middle.ours / middle.peer }
}

/** Seconds that the work took. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - begun) / 1e9
}

/** The middle one; of an even number the mean of the two in the middle. Throws where there is none. */
export function median(figures: readonly number[]): number {
  return (percentile(figures, 0.5, Math.floor) + percentile(figures, 0.5, Math.ceil)) / 2
}

/** The figure that the given part of all does not exceed: `percentile(waits, 0.99)`. */
export function percentile(figures: readonly number[], part: number, round: (place: number) => number = Math.ceil): number {
  const figure = figures.toSorted((a, b) => a - b)[round((figures.length - 1) * part)]
  if (figure === undefined) throw new Error('nothing was measured')
  return figure
}
