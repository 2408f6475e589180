/** What a handler gets besides the data. */
import type { Logger } from 'pino'
import type { Cell } from './cell.ts'
import type { Concern, EventKind } from './event.ts'
import { findFact } from './facts.ts'
import { type Context, TICK } from './function.ts'
import type { Lease } from './lease.ts'
import type { InHand } from './message.ts'

export interface ContextParts<Tools> {
  cell: Cell
  fn: { name: string }
  event: EventKind | undefined
  tools: Tools
  hand: InHand
  concern: Concern
  cause: string
  attempt: number
  lease: Lease
  signal: AbortSignal
  /** What every line of the handler's log bears. */
  marks: Record<string, string | number>
}

/** People look once a second; more often helps nobody. */
const PROGRESS_EVERY = 1000

export function contextOf<Tools>(parts: ContextParts<Tools>): Context<Tools> {
  const { cell, tools, hand, event, cause, attempt, lease, signal, marks } = parts
  const { message } = hand
  let log: Logger | undefined
  return {
    tools,
    signal,
    // Made when it is asked for: most handlers say nothing, and a logger of its own costs a tenth of a millisecond.
    get log() {
      log ??= cell.log.child(marks)
      return log
    },
    cause: { id: cause, time: message.time, sequence: message.sequence, behind: message.pending },
    came: event?.type ?? TICK,
    attempt,
    redelivered: message.deliveries > 1,
    fence: lease.fence,
    progress: progressOf(parts),
    find: (event, concern) => findFact(cell, event, concern),
    run: cell.run,
    planned: cell.planned,
  }
}

function progressOf<Tools>({ cell, fn, concern, lease }: ContextParts<Tools>): Context<Tools>['progress'] {
  const { host, source, id } = concern
  const started = Date.now()
  let last = 0
  return progress => {
    const now = Date.now()
    if (now - last < PROGRESS_EVERY || lease.signal.aborted) return
    last = now
    cell.connection.publish(
      `${cell.prefix}.progress`,
      JSON.stringify({ step: fn.name, host, source, id, ...progress, ms: now - started }),
    )
  }
}
