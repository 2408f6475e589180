/** One round of everything: every source backed up now, one line for each. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Visitor } from '../bus/visitor.ts'
import { Refused } from '../bus/visitor.ts'
import type { Configuration } from '../infra/config.ts'
import { Planned } from './answers.ts'
import { exitCodes, Interrupted } from './errors.ts'
import { followRuns } from './follow.ts'
import { outcomeLine, succeeded } from './outcome.ts'
import { mood, note, say } from './print.ts'

/** How long a source that is still busy, such as with a run that was killed, is waited for, ms. */
const BUSY_LIMIT = 180_000

/** Resolves to the exit code: 0 all done, 1 something failed, 130 interrupted. */
export async function backUpEverything(visitor: Visitor, { sources }: Configuration, signal: AbortSignal): Promise<number> {
  const names = Object.keys(sources)
  if (names.length === 0) note('holdfast: the configuration protects nothing yet')
  const width = Math.max(0, ...names.map(name => name.length))
  const results = await Promise.all(names.map(name => backUp(name, width, visitor, signal)))
  if (signal.aborted) return exitCodes.interrupted
  return results.every(Boolean) ? exitCodes.done : exitCodes.failed
}

async function backUp(source: string, width: number, visitor: Visitor, signal: AbortSignal): Promise<boolean> {
  try {
    const from = await visitor.next()
    const { planned } = await askWhenFree(source, visitor, signal)
    const ids = planned.map(({ id }) => id)
    const reported = await followRuns(ids, { visitor, from, signal }, reported => say(outcomeLine(reported, width)))
    return reported.length > 0 && reported.every(succeeded)
  } catch (error) {
    if (error instanceof Interrupted) return false
    if (!(error instanceof Refused)) throw error
    say([source.padEnd(width), mood('refused', 'bad'), error.message, error.hint ?? ''].join('  ').trimEnd())
    return false
  }
}

/** A run that was cut off ends by itself once its message comes again; until then another one is refused. */
async function askWhenFree(source: string, visitor: Visitor, signal: AbortSignal): Promise<Planned> {
  let said = false
  for (const until = Date.now() + BUSY_LIMIT; ; await sleep(1000)) {
    signal.throwIfAborted()
    try {
      return await visitor.ask('run', { sources: [source], reason: 'everything, now' }, Planned)
    } catch (error) {
      const holder = error instanceof Refused && Date.now() < until ? await visitor.holderOf(source) : undefined
      if (!holder) throw error
      if (!said) note(`${source} is busy with ${holder.split(' ')[0]}; waiting for it to end.`)
      said = true
    }
  }
}
