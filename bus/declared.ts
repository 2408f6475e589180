/** What can be derived of functions from their declarations alone. */
import type { EventKind } from './event.ts'
import { allEvents } from './events.ts'
import { TICK } from './function.ts'

/** Any function, without what it does. */
export interface Declared {
  name: string
  on: readonly EventKind[] | 'tick' | 'requests'
  emits: readonly EventKind[]
  reads?: readonly EventKind[]
  remembers?: readonly ('run' | 'planned')[]
  /** What a desk listens to for its answers. */
  hears?: readonly EventKind[]
  endpoints?: readonly { name: string }[]
}

/** Everything it may say: what it emits, and its own failure. */
export function saidBy({ name, emits }: Declared): EventKind[] {
  return [...new Set([...emits, ...allEvents.filter(({ type }) => type === `${name}.failed`)])]
}

/** The facts it is called for; none for ticks and requests. */
export function takenBy({ on }: Declared): readonly EventKind[] {
  return typeof on === 'string' ? [] : on
}

/** Whether it makes ticks of its own accord: a desk turns requests into them. */
export function ticks({ on }: Declared): boolean {
  return on === 'requests'
}

export function takesTicks({ on }: Declared): boolean {
  return on === TICK
}
