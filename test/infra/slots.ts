/** Walks from slot to slot, as nobody should in earnest. */
import { nextSlot, type Timing } from '../../infra/schedule.ts'

/** Milliseconds. */
export const minute = 60_000
export const day = 86_400_000

/** A plan of these expressions. */
export function plan(schedule: string | string[], zone: string, stagger: Record<string, number> = {}): Timing {
  return { schedule: [schedule].flat(), zone, stagger }
}

/** Every slot after one moment up to another, found by going from one to the next. */
export function slots(timing: Timing, from: string | Date, until: string | Date, host = 'local'): string[] {
  const found: string[] = []
  for (let slot = nextSlot(timing, host, new Date(from)); slot && slot <= new Date(until); slot = nextSlot(timing, host, slot))
    found.push(utc(slot))
  return found
}

/** `2026-11-21T02:00Z` */
export function utc(slot: Date): string {
  return slot.toISOString().replace(/:00\.000Z$/, 'Z')
}
