/** Follows facts until what was asked for has ended. */
import type { EventKind } from '../bus/event.ts'
import { events, type Reported } from '../bus/events.ts'
import type { SeenFact, Visitor } from '../bus/visitor.ts'
import { NotRunning } from './errors.ts'
import { openLive } from './live.ts'
import { size } from './print.ts'

export interface Following {
  visitor: Visitor
  /** Where the stream stood before anything was asked. */
  from: number
  signal: AbortSignal
  /** One line for each fact; nothing where it is undefined. */
  tell?: ((line: string) => void) | undefined
}

/** Until each of the runs is reported. Calls `ended` as they end; resolves to all of them. */
export async function followRuns(
  ids: readonly string[],
  following: Following,
  ended: (reported: Reported) => void,
): Promise<Reported[]> {
  const waiting = new Set(ids)
  const all: Reported[] = []
  const concerns = ({ data }: SeenFact) => data.id !== undefined && waiting.has(data.id)
  await follow({ ...following, concerns, ids: waiting }, seen => {
    const reported = reportOf(seen)
    if (!reported) return false
    waiting.delete(reported.id)
    all.push(reported)
    ended(reported)
    return waiting.size === 0
  })
  return all
}

/** Until what was asked for with this request has ended, in one of these ways. */
export async function followRequest(
  { id, request }: { id: string; request: string },
  ends: readonly EventKind[],
  following: Following,
) {
  let outcome: SeenFact | undefined
  const concerns = ({ data }: SeenFact) => 'request' in data && data.request === request
  await follow({ ...following, concerns, ids: new Set([id]) }, seen => {
    if (!ends.some(({ type }) => type === seen.event.type)) return false
    outcome = seen
    return true
  })
  return outcome
}

interface Interest extends Following {
  concerns(seen: SeenFact): boolean
  /** Backups whose progress is shown. */
  ids: ReadonlySet<string>
}

/** How often it is asked whether anybody still works, ms. */
const STILL_THERE = 5000

async function follow(
  { visitor, from, signal, tell, concerns, ids }: Interest,
  handle: (seen: SeenFact) => boolean,
): Promise<void> {
  if (ids.size === 0) return
  const live = openLive()
  visitor.onAdvance(advance => advance.id !== undefined && ids.has(advance.id) && live.show(advance))
  const watch = watchWorker(visitor)
  try {
    for await (const seen of visitor.facts(from, AbortSignal.any([signal, watch.gone]))) {
      if (!concerns(seen)) continue
      live.clear()
      tell?.(factLine(seen))
      if (handle(seen)) return
    }
  } finally {
    watch.stop()
    live.clear()
  }
  signal.throwIfAborted()
  throw new NotRunning('the Holdfast that was at work is gone', { hint: 'Start it again: holdfast up. It goes on where it was.' })
}

/** Twice no answer means that nobody will ever say how it ended. */
function watchWorker(visitor: Visitor): { gone: AbortSignal; stop(): void } {
  const controller = new AbortController()
  let missed = 0
  const timer = setInterval(async () => {
    missed = (await visitor.served().catch(() => false)) ? 0 : missed + 1
    if (missed >= 2) controller.abort()
  }, STILL_THERE)
  return { gone: controller.signal, stop: () => clearInterval(timer) }
}

/** The end of a run. A report that could not be written ends it too. */
function reportOf({ event, data, envelope }: SeenFact): Reported | undefined {
  if (event.type === events.report.done.type) return events.report.done.schema.parse(data)
  if (event.type !== events.report.failed.type) return undefined
  const { id = '', source = '', host = '', error } = events.report.failed.schema.parse(data)
  const warnings = { count: 0, first: [] }
  return {
    id,
    source,
    host,
    outcome: 'failed',
    ended: event.type,
    at: envelope.time,
    verified: false,
    warnings,
    error,
    seconds: 0,
  }
}

/** `notes  export  done  412 MB`; by its id where several runs of one source are told. */
export function factLine({ event, data }: SeenFact, who = data.source ?? '_'): string {
  const parts = [who, event.step.padEnd(9), event.outcome.padEnd(8), detailOf(data)]
  return parts.join('  ').trimEnd()
}

/** What a person wants to know first of any fact: the error, else the size, else the vault. */
function detailOf(data: object): string {
  const fields = new Map<string, unknown>(Object.entries(data))
  const [error, bytes, vault] = [fields.get('error'), fields.get('bytes'), fields.get('vault')]
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
  return [typeof bytes === 'number' ? size(bytes) : '', typeof vault === 'string' ? vault : ''].join('  ').trim()
}
