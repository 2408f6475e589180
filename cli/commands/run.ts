import { Argument, type Command, Option } from 'commander'
import type { Reported } from '../../bus/events.ts'
import type { Visitor } from '../../bus/visitor.ts'
import { InvalidInput } from '../../infra/errors.ts'
import { type Planned, Planned as PlannedAnswer } from '../answers.ts'
import { exitCodes } from '../errors.ts'
import { followRuns } from '../follow.ts'
import { interruptible } from '../interrupt.ts'
import { outcomeLine, succeeded } from '../outcome.ts'
import { note, say, sayJson } from '../print.ts'
import { canAsk, pick } from '../question.ts'
import { type GlobalOptions, openSession, type Session } from '../session.ts'

interface Options extends GlobalOptions {
  all?: boolean
  wait?: boolean
  keep?: 'forever'
  reason?: string
  mode?: string
  json?: boolean
}

/** `holdfast run`: asks the running instance for backups now. */
export function runCommand(program: Command): void {
  program
    .command('run')
    .description('back up now; without a source it asks, or takes the only one there is')
    .addArgument(new Argument('[source...]', 'what to back up'))
    .option('--all', 'every source')
    .option('--wait', 'follow it to its end; exit code 0 when done, 1 when it failed')
    .addOption(new Option('--keep <how>', 'keep it out of retention').choices(['forever']))
    .option('--reason <text>', 'why, for the manifest and the report')
    .option('--mode <mode>', 'how, where the kind of source knows several ways')
    .option('--json', 'as JSON')
    .action(async (names: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using session = await openSession(options)
      const sources = await chosen(names, options, session)
      const visitor = await session.running()
      const from = await visitor.next()
      const answer = await visitor.ask('run', requestOf(sources, options), PlannedAnswer)
      if (!options.json) announce(answer, options)
      const reported = options.wait ? await wait(visitor, from, answer, options) : []
      if (options.json) sayJson({ planned: answer.planned, rejected: answer.rejected, reported })
      if (answer.rejected.length || !reported.every(succeeded)) process.exitCode = exitCodes.failed
    })
}

async function chosen(names: readonly string[], { all }: Options, { configuration, tools }: Session): Promise<string[]> {
  const known = Object.keys(configuration.sources)
  if (all && names.length) throw new InvalidInput('--all and a source were both given', { hint: 'Say one of them.' })
  for (const name of names) tools.source(name)
  if (names.length) return [...new Set(names)]
  if (known.length === 0)
    throw new InvalidInput('the configuration names no source yet', { hint: `Add one to ${configuration.file}.` })
  if (all || known.length === 1) return known
  if (canAsk()) return pick('What should be backed up?', known)
  throw new InvalidInput('no source was named, and nobody can be asked here', {
    hint: `Name one of ${known.join(', ')}, or say --all.`,
  })
}

function requestOf(sources: readonly string[], { reason, mode, keep }: Options) {
  return { sources, ...(reason ? { reason } : {}), ...(mode ? { mode } : {}), ...(keep ? { keep } : {}) }
}

function announce({ planned, rejected }: Planned, { wait }: Options): void {
  for (const { source, error } of rejected)
    note(`holdfast: ${source ?? 'the request'}: ${error.message} ${error.hint ?? ''}`.trimEnd())
  for (const { id } of planned) say(`${id}  planned${wait ? '' : `. Follow it: holdfast events, or next time run --wait`}`)
}

async function wait(visitor: Visitor, from: number, { planned }: Planned, { json }: Options): Promise<Reported[]> {
  using stop = interruptible({ message: 'no longer watching; the backup goes on. See: holdfast status' })
  // On a terminal the moving line says it all.
  const tell = json || process.stderr.isTTY ? undefined : say
  const width = Math.max(0, ...planned.map(({ source }) => source.length))
  const following = { visitor, from, signal: stop.signal, tell }
  return await followRuns(
    planned.map(({ id }) => id),
    following,
    reported => json || say(outcomeLine(reported, width)),
  )
}
