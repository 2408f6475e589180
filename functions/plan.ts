/** Names the sources that are due by their schedule, or that a tick asks for. Says what it refuses and what was missed. */
import type { FactOf } from '../bus/event.ts'
import { type Due, events, type Failure, type TickData } from '../bus/events.ts'
import { failureOf, together } from '../bus/failure.ts'
import { TICK } from '../bus/function.ts'
import { holdEnds, otherHolder } from '../bus/hold.ts'
import { InvalidInput, messageOf } from '../infra/errors.ts'
import { backupId, dayIn } from '../infra/layout.ts'
import { lastSlot, notePlanned } from '../infra/planned.ts'
import * as refusals from '../infra/refusals.ts'
import { slotsBetween } from '../infra/schedule.ts'
import type { ProtectedSource } from '../infra/tools.ts'
import { defineTickFunction, type FunctionContext } from './define.ts'

/** A clock's tick that is older has been overtaken by the next one: what it would plan is caught up. */
const CLOCK_TICK_AGE = 90_000

/** How far our clock may be ahead of the bus's, ms. */
const CLOCK_SKEW = 3600_000

const emits = [events.plan.due, events.plan.rejected, events.plan.missed]
type Planned = FactOf<(typeof emits)[number]>

export default defineTickFunction({
  name: 'plan',
  on: TICK,
  emits,
  reads: holdEnds,
  remembers: ['run', 'planned'],
  async handle(tick, context) {
    const { tools, cause } = context
    if (tick.error !== undefined) return [reject({}, new InvalidInput(tick.error), context, tick.input)]
    const { data, clock } = tick
    const age = Date.now() - cause.time.getTime()
    if (clock && isOvertaken(age, context)) return []
    if (!clock && age > tools.configuration.settings.tickMaxAge)
      return [reject({}, refusals.tooOld(cause.time), context, JSON.stringify(data))]
    if (data.sources) return together(data.sources.map(source => asked(source, data, context)))
    if (data.plans) return triggered(data.plans, data, context)
    return together(Object.keys(tools.configuration.sources).map(source => scheduled(source, context)))
  },
})

/**
 * A later tick does the work of an old one. The last one is looked at although it seems old, as our clock may be ahead; one that was
 * tried before is not dropped either, or its failure would never be said.
 */
function isOvertaken(age: number, { cause, attempt, log }: FunctionContext): boolean {
  if (age <= CLOCK_TICK_AGE || attempt > 1) return false
  if (cause.behind === 0 && age <= CLOCK_SKEW) return false
  log.warn(
    { age },
    'an old tick of the clock is left to the next one; if this goes on, compare the clocks of this machine and of NATS',
  )
  return true
}

/** One named source, now. The id comes from the tick's stream time: the same tick read twice asks for the same backup. */
async function asked(name: string, data: TickData, context: FunctionContext, plans?: string[]): Promise<Planned[]> {
  try {
    const source = context.tools.source(name)
    return [await plan(source, plans ?? source.config.plans, context.cause.time, data, context)]
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    return [reject(/^[a-z0-9][a-z0-9_-]*$/.test(name) ? { source: name } : {}, error, context, JSON.stringify(name))]
  }
}

async function triggered(plans: string[], data: TickData, context: FunctionContext): Promise<Planned[]> {
  const sources = Object.entries(context.tools.configuration.sources)
  const mine = (own: string[]) => plans.filter(name => own.includes(name))
  const chosen = sources.filter(([, config]) => mine(config.plans).length > 0)
  const unknown = plans.filter(name => !Object.hasOwn(context.tools.configuration.plans, name))
  const refused = unknown.length
    ? [reject({}, refusals.noSuchPlan(unknown, Object.keys(context.tools.configuration.plans)), context, JSON.stringify(unknown))]
    : []
  return [...refused, ...(await together(chosen.map(([name, config]) => asked(name, data, context, mine(config.plans)))))]
}

/** What the schedule says. Slots stay due until the stream holds their fact: only then `planned` moves on. */
async function scheduled(name: string, context: FunctionContext): Promise<Planned[]> {
  const source = context.tools.source(name)
  const found = await Promise.all(source.config.plans.map(plan => dueSlot(source, plan, context)))
  const due = found.filter(slot => slot !== undefined)
  const newest = due.toSorted((a, b) => b.slots.newest.getTime() - a.slots.newest.getTime())[0]?.slots.newest
  if (!newest) return []
  const concern = { source: name, host: source.config.host, id: backupId(name, newest) }
  if ((await context.find(events.plan.due, concern)) ?? (await context.find(events.plan.rejected, concern))) {
    await Promise.all(due.map(({ plan, slots }) => context.planned.put(`${name}.${plan}`, slots.newest.toISOString())))
    return []
  }
  const missed = due.filter(({ slots }) => slots.missed > 0).map(({ plan, slots }) => sayMissed(concern, plan, slots, newest))
  return [
    ...missed,
    await plan(
      source,
      due.map(({ plan }) => plan),
      newest,
      {},
      context,
    ),
  ]
}

type DueSlot = { plan: string; slots: NonNullable<ReturnType<typeof slotsBetween>> }

async function dueSlot(source: ProtectedSource, plan: string, context: FunctionContext): Promise<DueSlot | undefined> {
  const timing = context.tools.plan(plan)
  const after = await lastSlot(source, plan, context.planned, context.cause.time)
  const slots = after && slotsBetween(timing, source.config.host, after, context.cause.time)
  return slots && { plan, slots }
}

/** The due, or why not: a source with an open run is refused, one that is planned for this second already is not planned twice. */
async function plan(
  source: ProtectedSource,
  plans: string[],
  at: Date,
  data: TickData,
  context: FunctionContext,
): Promise<Planned> {
  const { config, name } = source
  const { modes = [] } = source.driver
  if (data.mode !== undefined && !modes.includes(data.mode)) throw refusals.noSuchMode(data.mode, config.kind, modes)
  const due = dueOf(source, plans, at, data, context)
  const concern = { source: name, host: config.host, id: due.id }
  const holder = await otherHolder(concern, context)
  if (holder) return reject(concern, refusals.overlap(name, holder), context)
  const there = await context.find(events.plan.due, concern)
  // A slot that another tick has planned meanwhile is planned; who asks for something of their own hears that they do not get it.
  if (there && isScheduled(data)) return events.plan.due(there)
  if (there && there.cause !== due.cause) return reject(concern, refusals.alreadyPlanned(there), context)
  await notePlanned(due, context.planned, context.cause.time)
  return events.plan.due(due)
}

function dueOf(
  { name, config }: ProtectedSource,
  plans: string[],
  at: Date,
  data: TickData,
  { tools, cause }: FunctionContext,
): Due {
  const second = new Date(Math.floor(at.getTime() / 1000) * 1000)
  const first = plans[0] === undefined ? undefined : tools.plan(plans[0])
  const windows = plans.flatMap(plan => tools.plan(plan).window ?? [])
  // A plan without a window waits as long as it takes.
  const expires =
    windows.length > 0 && windows.length === plans.length
      ? { expires: new Date(second.getTime() + Math.max(...windows)).toISOString() }
      : {}
  const { mode, keep, reason } = data
  return {
    id: backupId(name, second),
    source: name,
    host: config.host,
    kind: config.kind,
    at: second.toISOString(),
    day: dayIn(first?.zone ?? 'UTC', second),
    plans,
    cause: cause.id,
    ...(mode ? { mode } : {}),
    ...(keep ? { keep } : {}),
    ...(reason ? { reason } : data.cause ? { reason: `triggered by ${data.cause}` } : {}),
    ...(isScheduled(data) ? expires : {}),
  }
}

function isScheduled({ sources, plans }: TickData): boolean {
  return sources === undefined && plans === undefined
}

function sayMissed(
  concern: { source: string; host: string; id: string },
  plan: string,
  slots: DueSlot['slots'],
  planned: Date,
): Planned {
  const [from, to, instead] = [slots.oldest, slots.newest, planned].map(date => date.toISOString())
  return events.plan.missed({ ...concern, plan, missed: slots.missed, from: from ?? '', to: to ?? '', planned: instead ?? '' })
}

type Refused = { source?: string; host?: string; id?: string }

function reject(concern: Refused, error: InvalidInput, { cause }: FunctionContext, input?: string): Planned {
  const failure: Failure = { ...failureOf(error), message: messageOf(error).slice(0, 4096) }
  return events.plan.rejected({ ...concern, error: failure, cause: cause.id, ...(input ? { input: input.slice(0, 1024) } : {}) })
}
