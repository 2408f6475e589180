/**
 * When plans are due. Pure: time comes in as an argument.
 *
 * A slot is the moment a cron expression names, plus the host's stagger. At daylight-saving changes:
 * - a local time that does not exist runs once, at the first moment after the gap;
 * - a local time that exists twice runs once, the first time;
 * - an expression that says every hour (`*`) follows the hours that pass: it runs in every one of them, and leaves out what does not exist.
 */
import { Cron, CronPattern } from 'croner'
import { messageOf } from './errors.ts'

/** What of a plan says when it is due. */
export interface Timing {
  /** Cron expressions of five fields, or `@daily` and its like. */
  schedule: readonly string[]
  /** IANA time zone. */
  zone: string
  /** Milliseconds by which each host starts later. */
  stagger: Readonly<Record<string, number>>
}

export interface Slots {
  /** The newest slot that is due: the one to run. */
  newest: Date
  /** How many due slots before it are left out, counted up to `countedTo`. */
  missed: number
  /** The oldest slot that was counted; `newest` where none was missed. */
  oldest: Date
}

/** A minute-wise plan that slept for a year has half a million missed slots: nobody needs their exact number. */
export const countedTo = 1_000

/** The slots after `after`, up to and including `until`; undefined where there is none. */
export function slotsBetween(plan: Timing, host: string, after: Date, until: Date): Slots | undefined {
  const offset = plan.stagger[host] ?? 0
  const [from, to] = [after.getTime() - offset, until.getTime() - offset]
  const due = plan.schedule.flatMap(expression => before(expression, plan.zone, new Date(to), from))
  const distinct = [...new Set(due)].sort((a, b) => b - a)
  const [newest] = distinct
  if (newest === undefined) return undefined
  const counted = distinct.slice(0, countedTo + 1)
  return { newest: new Date(newest + offset), missed: counted.length - 1, oldest: new Date((counted.at(-1) ?? newest) + offset) }
}

/** The first slot after `from`; undefined where the plan has no schedule or it never comes again. */
export function nextSlot(plan: Timing, host: string, from: Date): Date | undefined {
  const offset = plan.stagger[host] ?? 0
  const start = new Date(from.getTime() - offset)
  const next = plan.schedule.flatMap(expression => cronOf(expression, plan.zone).nextRun(start)?.getTime() ?? [])
  return next.length === 0 ? undefined : new Date(Math.min(...next) + offset)
}

/** Why an expression is no schedule; undefined where it is one. */
export function scheduleProblem(expression: string): string | undefined {
  try {
    if (cronOf(expression, 'UTC').nextRun()) return undefined
    return 'there is no such date, so it would never run'
  } catch (error) {
    return messageOf(error).replace(/^CronPattern: /, '')
  }
}

/** At most `countedTo` and one more moments up to and including `to`, later than `from`, newest first. */
function before(expression: string, zone: string, to: Date, from: number): number[] {
  // croner looks at whole seconds and leaves its reference out.
  const reference = new Date(Math.floor(to.getTime() / 1_000) * 1_000 + 1_000)
  const cron = cronOf(expression, zone)
  // Most often one slot is due or none: look at few, and at more only where they are all due.
  const runs = (count: number): Date[] => {
    const found = cron.previousRuns(count, reference)
    const more = count <= countedTo && found.length === count && found.every(date => date.getTime() > from)
    return more ? runs(Math.min(count * 8, countedTo + 1)) : found
  }
  return runs(2).flatMap(date => (date.getTime() > from ? date.getTime() : []))
}

const known = new Map<string, Cron>()

function cronOf(expression: string, zone: string): Cron {
  const key = `${zone} ${expression}`
  const found = known.get(key) ?? parse(expression, zone)
  known.set(key, found)
  return found
}

/**
 * croner mends gaps and repetitions for hours and minutes that are numbers and lists, so every `*` and `/` is written out as a
 * list. Where all hours are meant, a list follows the hours that pass.
 */
function parse(expression: string, zone: string): Cron {
  const pattern = new CronPattern(expression, zone, { mode: '5-part' })
  const fields = pattern.pattern.trim().split(/\s+/)
  const everyHour = pattern.hour.every(Boolean)
  const fixed = [values(pattern.minute), values(pattern.hour), ...fields.slice(2)].join(' ')
  return new Cron(fixed, {
    timezone: zone,
    mode: '5-part',
    fixedTimeRule: everyHour ? 'single-value' : 'no-wildcard',
    paused: true,
  })
}

function values(flags: readonly number[]): string {
  return flags.flatMap((flag, value) => (flag ? [value] : [])).join(',')
}
