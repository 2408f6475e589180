import type { Command } from 'commander'
import { events } from '../../bus/events.ts'
import { HoldfastError } from '../../infra/errors.ts'
import { nameOf } from '../../infra/find.ts'
import { labelOf, locateToRestore } from '../../infra/recover.ts'
import { Accepted } from '../answers.ts'
import { idOf } from '../entries.ts'
import { followRequest } from '../follow.ts'
import { interruptible } from '../interrupt.ts'
import { mood, note, say, sayJson, span, visible } from '../print.ts'
import { openWhere, type Where, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  json?: boolean
}

/** `holdfast drill ID`: the running instance tries a backup out in a scratch place; what is in use is not touched. */
export function drillCommand(program: Command): void {
  program
    .command('drill')
    .description('prove a backup by restoring it into a scratch place and running it there')
    .argument('<id|source>', 'the backup, the beginning of its id, or a source: then its newest verified one')
    .option('--vault <name>', 'the copy in this vault (default: the nearest good copy)')
    .option('--json', 'the result as JSON')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using where = await openWhere(options)
      const drilled = await drill(name, options, where)
      if (options.json) return sayJson(drilled)
      const { id, from, seconds, checks, picture } = drilled
      say(`${id}  ${from}  ${mood('drilled', 'good')}  ${span(seconds)}`)
      for (const { name, result } of checks) say(`  ${name}: ${visible(result)}`)
      if (picture) say(`  its screen: ${picture}`)
    })
}

async function drill(name: string, { vault }: Options, { places, session }: Where) {
  if (!session) throw new HoldfastError('a drill needs a configuration', { retryable: false })
  const { tools } = session
  const text = await idOf(name, places, labelOf(tools, name))
  const { copies } = await locateToRestore({ tools, places }, { text, to: undefined })
  const visitor = await session.running()
  const from = await visitor.next()
  const request = { id: nameOf(copies[0].backup), ...(vault === undefined ? {} : { vault }) }
  const accepted = await visitor.ask('drill', request, Accepted)
  using stop = interruptible({ message: 'no longer watching; the drill goes on. See: holdfast events --since 10m' })
  note(`${accepted.id} is being drilled …`)
  const ends = [events.drill.done, events.drill.failed]
  const seen = await followRequest(accepted, ends, { visitor, from, signal: stop.signal })
  if (seen?.event.type === events.drill.done.type) return events.drill.done.schema.parse(seen.data)
  const { error } = events.drill.failed.schema.parse(seen?.data)
  throw new HoldfastError(error.message, { retryable: error.retryable, ...(error.hint ? { hint: error.hint } : {}) })
}
