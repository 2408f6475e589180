import { type Command, InvalidArgumentError } from 'commander'
import type { SeenFact } from '../../bus/visitor.ts'
import { Duration } from '../../infra/duration.ts'
import { factLine } from '../follow.ts'
import { interruptible } from '../interrupt.ts'
import { say } from '../print.ts'
import { type GlobalOptions, openSession } from '../session.ts'

interface Options extends GlobalOptions {
  since?: number
  follow: boolean
  json?: boolean
}

/** `holdfast events`: what is said on the bus, as it is said. */
export function eventsCommand(program: Command): void {
  program
    .command('events')
    .description('show facts as they are said; Ctrl-C ends')
    .option('--since <duration>', 'begin with those of this long ago, such as 1h', durationOf)
    .option('--no-follow', 'end when the past ones are shown')
    .option('--json', 'one CloudEvent a line')
    .action(async (_options: unknown, command: Command) => {
      const { since, follow, json, ...options } = command.optsWithGlobals<Options>()
      await using session = await openSession(options)
      const visitor = await session.bus()
      if (!visitor) throw session.absent()
      const from = since === undefined ? await visitor.next() : new Date(Date.now() - since)
      if (!follow && (await visitor.count(from)) === 0) return
      using stop = interruptible()
      for await (const seen of visitor.facts(from, stop.signal)) {
        say(json ? JSON.stringify(seen.envelope) : lineOf(seen))
        if (!follow && seen.pending === 0) return
      }
    })
}

/** `02:00:07  notes-20261121T020000Z  export     done      412 MB` */
function lineOf(seen: SeenFact): string {
  return `${seen.envelope.time.slice(11, 19)}  ${factLine(seen, seen.data.id ?? seen.data.source)}`
}

function durationOf(text: string): number {
  const result = Duration.safeParse(text)
  if (result.success) return result.data
  throw new InvalidArgumentError(result.error.issues[0]?.message ?? 'expected a duration')
}
