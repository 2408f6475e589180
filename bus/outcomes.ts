/** How a function's step can end, from its declaration. */
import type { Concern, EventKind } from './event.ts'
import { allEvents } from './events.ts'
import type { AnyFunction } from './function.ts'

export interface EventStep {
  failed: EventKind
  retrying: EventKind | undefined
  /** The facts of which one settles the step for what the data concerns; none where nothing is settled. */
  settling(concern: Concern): readonly EventKind[]
}

const known = new WeakMap<object, EventStep>()

/** The outcomes of a function's step; `.failed` belongs to every one. */
export function outcomesOf<Tools>(fn: AnyFunction<Tools>): EventStep {
  const found = known.get(fn)
  if (found) return found
  const outcomes = derive(fn)
  known.set(fn, outcomes)
  return outcomes
}

function derive<Tools>({ name, emits }: AnyFunction<Tools>): EventStep {
  const failed = allEvents.find(({ type }) => type === `${name}.failed`)
  if (!failed) throw new Error(`${name}: bus/events.ts has no ${name}.failed`)
  const all = [...emits, failed]
  const once = all.filter(event => event.once)
  const asked = all.filter(event => event.seventh === 'request')
  return {
    failed,
    retrying: emits.find(event => event.outcome === 'retrying'),
    settling: concern => (concern.id === undefined ? [] : 'request' in concern ? asked : once),
  }
}
