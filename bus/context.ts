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
  log: Logger
}

/** People look once a second; more often helps nobody. */
const PROGRESS_EVERY = 1000

export function contextOf<Tools>(parts: ContextParts<Tools>): Context<Tools> {
  const { cell, tools, hand, event, cause, attempt, lease, signal, log } = parts
  return {
    tools,
    signal,
    log,
    cause: { id: cause, time: hand.time, sequence: hand.sequence, behind: hand.message.info.pending },
    came: event?.type ?? TICK,
    attempt,
    redelivered: hand.message.redelivered,
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
