/** Ticks for the planner, each at a moment of its own. */
import { afterEach, beforeEach, vi } from 'vitest'
import type { Fact } from '../../bus/event.ts'
import { type Due, events, type TickData } from '../../bus/events.ts'
import type { Tick } from '../../bus/function.ts'
import plan from '../../functions/plan.ts'
import type { Stage } from './stage.ts'

/** For a test file in which the date is that of the last tick. */
export function ownTime(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
  afterEach(() => void vi.useRealTimers())
}

let sequence = 0

/** One tick at a moment; what it says is stored. */
export async function tick(stage: Stage, at: string | Date, data: TickData = {}): Promise<Fact[]> {
  return handle(stage, at, { data, clock: Object.keys(data).length === 0 })
}

/** The same with anything that may come as a tick, read some time later. */
export async function handle(stage: Stage, at: string | Date, given: Tick, age = 0, behind = 0): Promise<Fact[]> {
  const time = new Date(at)
  vi.setSystemTime(time.getTime() + age)
  const facts = await plan.handle(given, stage.context({ cause: { id: `tick-${++sequence}`, time, sequence, behind } }))
  stage.store(...facts)
  return facts
}

/** A clock tick in every minute, or in every so many, the last one included. */
export async function ticks(stage: Stage, from: string, to: string, minutes = 1): Promise<Fact[]> {
  const facts: Fact[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += minutes * 60_000) facts.push(...(await tick(stage, new Date(at))))
  return facts
}

export function dues(facts: readonly Fact[]): Due[] {
  return facts.flatMap(({ event, data }) => (event.type === 'plan.due' ? [events.plan.due.schema.parse(data)] : []))
}

export const ids = (facts: readonly Fact[]) => dues(facts).map(({ id }) => id)

/** Why each of the rejected ones was rejected. */
export function refusals(facts: readonly Fact[]): string[] {
  return facts.flatMap(({ event, data }) =>
    event.type === 'plan.rejected' ? [events.plan.rejected.schema.parse(data).error.message] : [],
  )
}
