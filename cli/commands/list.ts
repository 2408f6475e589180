import type { Command } from 'commander'
import { INSIDE } from '../../infra/manifest.ts'
import { type Entry, readEntries } from '../entries.ts'
import { exitCodes } from '../errors.ts'
import { moment, note, say, sayJson, sayTable, size } from '../print.ts'
import { openWhere, type Where, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  json?: boolean
}

/** `holdfast list`: every backup there is, oldest first. */
export function listCommand(program: Command): void {
  program
    .command('list')
    .description('list backups, oldest first')
    .argument('[source]', 'of this source alone')
    .option('--vault <name>', 'those in one vault')
    .option('--from <directory>', 'those in a directory; needs no configuration')
    .option('--json', 'as a JSON array')
    .action(async (source: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using where = await openWhere(options)
      const { entries, problems } = await readEntries(where.places, source)
      // A source that left the configuration still has its backups.
      if (source !== undefined && entries.length === 0 && problems.length === 0) where.session?.tools.source(source)
      for (const problem of problems) note(`holdfast: ${problem}`)
      if (options.json) sayJson(entries)
      else if (entries.length || !problems.length) print(entries, where)
      if (problems.length) process.exitCode = exitCodes.failed
    })
}

function print(entries: readonly Entry[], { places }: Where): void {
  if (entries.length === 0) {
    say(`No backups in ${places.map(({ name }) => name).join(', ')}.`)
    return
  }
  const rows = entries.map(entry => [
    entry.id,
    size(entry.bytes),
    stateOf(entry),
    moment(entry.at),
    entry.vaults.join(', ') || '-',
  ])
  sayTable([['BACKUP', 'SIZE', 'STATE', 'OF', 'VAULTS'], ...rows])
}

function stateOf({ outcome, warnings, proven, held, protects, incomplete }: Entry): string {
  const words = {
    done: 'verified',
    warnings: warnings ? `verified, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}` : 'verified',
    failed: 'failed',
    unverified: 'not verified',
  }
  return [
    words[outcome],
    ...(incomplete === null ? [] : ['incomplete']),
    ...(protects ? [] : [INSIDE]),
    ...(proven ? ['proven'] : []),
    ...(held === null ? [] : ['held']),
  ].join(', ')
}
