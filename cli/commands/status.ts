import type { Command } from 'commander'
import { INSIDE } from '../../infra/manifest.ts'
import { type BackupSummary, type SourceStatus, statusOf } from '../../infra/status.ts'
import { exitCodes } from '../errors.ts'
import { away, note, say, sayJson, sayTable, size, visible } from '../print.ts'
import { type GlobalOptions, openSession } from '../session.ts'

interface Options extends GlobalOptions {
  json?: boolean
  running?: boolean
}

/** `holdfast status`: how each source stands, from the disk; what runs now, from the bus where there is one. */
export function statusCommand(program: Command): void {
  program
    .command('status')
    .description('show how each source stands: last good backup, next slot, what runs now')
    .option('--running', 'end with exit code 3 unless an instance runs, for health checks')
    .option('--json', 'as JSON')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using session = await openSession(options)
      const bus = await session.bus()
      const running = (await bus?.served()) ?? false
      const sources = await statusOf(session.tools, async source => (running ? bus?.holderOf(source) : undefined))
      if (options.json) sayJson({ running, sources })
      else print(sources, running, session.absent().message)
      if (!options.running && sources.some(({ problems }) => problems.length)) process.exitCode = exitCodes.failed
      if (options.running && !running) throw session.absent()
    })
}

function print(sources: readonly SourceStatus[], running: boolean, absence: string): void {
  if (sources.length === 0) say('The configuration protects nothing yet.')
  else sayTable([['SOURCE', 'LAST GOOD', 'AGE', 'SIZE', 'VAULTS', 'NEXT', 'NOW'], ...sources.map(rowOf)])
  const made = sources.flatMap(madeOf)
  if (made.length) {
    say()
    sayTable(made)
    say()
  }
  for (const { source, good, last, problems } of sources) {
    if (last && last.id !== good?.id)
      note(`holdfast: ${source}: the newest backup, ${last.id}, is ${last.verified && !last.protects ? INSIDE : 'not verified'}`)
    if (last?.incomplete !== undefined)
      note(`holdfast: ${source}: the newest backup, ${last.id}, is incomplete: ${visible(last.incomplete)}`)
    for (const problem of problems) note(`holdfast: ${source}: ${problem}`)
  }
  say(running ? 'An instance runs.' : `${absence}: nothing is backed up by schedule. Start one: holdfast up`)
}

function rowOf({ source, good, next, running }: SourceStatus): string[] {
  return [source, ...goodOf(good), next ? away(next) : 'when asked', running ? `busy with ${running.split(' ')[0]}` : '-']
}

function goodOf(good: BackupSummary | undefined): string[] {
  if (!good) return ['none', '-', '-', '-']
  const warnings = good.warnings ? ` (${good.warnings} ${good.warnings === 1 ? 'warning' : 'warnings'})` : ''
  return [`${good.id}${warnings}`, away(good.at), size(good.bytes), good.vaults.join(', ') || '-']
}

/** Of kinds that are made in more ways than one: how the last good backup was. */
function madeOf({ source, good }: SourceStatus): string[][] {
  if (!good?.made.length) return []
  const { asked, achieved } = good.consistency
  const rows = [...good.made, ['consistency', `asked ${asked}, achieved ${achieved}`]]
  return rows.map((row, index) => [index === 0 ? source : '', ...row])
}
