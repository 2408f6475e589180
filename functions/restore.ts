/** Brings a backup back: finds the nearest copy, proves it, stops the service, puts the data in place, waits for its health. */
import { events } from '../bus/events.ts'
import { NotYet } from '../bus/function.ts'
import { holdEnds, letGo, takeHold } from '../bus/hold.ts'
import { placesOf } from '../infra/places.ts'
import { locateToRestore, recover, recoveryOf } from '../infra/recover.ts'
import { unfinishedRestores } from '../infra/restore/journal.ts'
import { defineFunction, type FunctionContext } from './define.ts'

/** How often a restore that waits for a backup of its source looks again, ms. */
const LOOK_AGAIN = 2000

export default defineFunction({
  name: 'restore',
  on: [events.ask.restore],
  emits: [events.restore.done],
  reads: holdEnds,
  remembers: ['run'],
  async handle(asked, context) {
    const { tools, signal, progress } = context
    const { id, source, host, request, vault, to, part, instant, keepAside = false } = asked
    const { label = tools.source(source).hostConfig.label } = asked
    const mine = { source, host, id, request }
    // A source is not backed up while it is being put back, nor the other way round.
    const holder = to === undefined ? await takeHold(mine, context) : undefined
    if (holder) throw new NotYet(`${source} is held by ${holder}`, LOOK_AGAIN)
    try {
      const located = await locateToRestore({ tools, places: placesOf(tools, vault) }, { text: `${label}/${id}`, to })
      const warn = (message: string) => context.log.warn(message)
      const work = { ...recoveryOf(tools, source), to, part, instant, keepAside, token: request, signal, progress, warn }
      return events.restore.done({ ...asked, ...(await recover({ ...work, located })) })
    } finally {
      if (!signal.aborted && !(await isHalfDone(mine, context))) await letGo(mine, context)
    }
  },
})

/** Stopped in the middle of the exchange: nobody may back up half of it before it is finished. */
async function isHalfDone(
  { source, request }: { source: string; request: string },
  { tools }: FunctionContext,
): Promise<boolean> {
  const { host, state } = recoveryOf(tools, source)
  return (await unfinishedRestores(host, state)).some(({ token }) => token === request)
}
