/** Proves a backup: restores it into a scratch place, runs it there, and keeps what that showed beside every copy. */
import { beginDrill, drillEnds, endDrill } from '../bus/drilling.ts'
import { events } from '../bus/events.ts'
import { NotYet } from '../bus/function.ts'
import { drillBackup } from '../infra/drill.ts'
import { placesOf } from '../infra/places.ts'
import { locateToRestore } from '../infra/recover.ts'
import { defineFunction } from './define.ts'

/** How often a drill that waits for another one of its host looks again, ms. */
const LOOK_AGAIN = 5000

export default defineFunction({
  name: 'drill',
  on: [events.ask.drill, events.drills.due],
  emits: [events.drill.done],
  reads: drillEnds,
  remembers: ['run'],
  concurrency: 1,
  async handle(asked, context) {
    const { tools, signal, progress, cause } = context
    const { id, source, host, request, vault } = asked
    const protectedSource = tools.source(source)
    const { label = protectedSource.hostConfig.label } = asked
    const mine = { host, source, id, request }
    // A guest that boots while another one does takes longer, and seems not to boot at all.
    const other = await beginDrill(mine, context)
    if (other) throw new NotYet(`${host} is at another drill: ${other}`, LOOK_AGAIN)
    try {
      const located = await locateToRestore({ tools, places: placesOf(tools, vault) }, { text: `${label}/${id}`, to: undefined })
      const warn = (message: string) => context.log.warn(message)
      const proof = await drillBackup({ located, ...protectedSource, token: request, at: cause.time, signal, progress, warn })
      return events.drill.done({ ...asked, ...proof, checks: proof.checks.slice(0, 50) })
    } finally {
      if (!signal.aborted) await endDrill(mine, context)
    }
  },
})
