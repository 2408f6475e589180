import type { Command } from 'commander'
import { type Found, type Located, locate } from '../../infra/find.ts'
import { INSIDE } from '../../infra/manifest.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { idOf, outcomeOf } from '../entries.ts'
import { moment, note, say, sayJson, sayTable, size } from '../print.ts'
import { openWhere, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  json?: boolean
}

/** `holdfast show ID`: everything that is known of one backup. */
export function showCommand(program: Command): void {
  program
    .command('show')
    .description('show everything about one backup')
    .argument('<id|source>', 'the backup, the beginning of its id, or a source: then its newest verified one')
    .option('--vault <name>', 'as it lies in one vault')
    .option('--from <directory>', 'as it lies in a directory; needs no configuration')
    .option('--json', 'as JSON')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using where = await openWhere(options)
      const located = await locate(where.places, await idOf(name, where.places))
      for (const problem of located.problems) note(`holdfast: ${problem}`)
      if (options.json) sayJson(documentOf(located))
      else print(located)
    })
}

function documentOf({ copies }: Located) {
  const [{ backup }] = copies
  const places = copies.map(({ place, backup: { directory } }) => ({ place: place.name, directory }))
  const made = sourceOf(backup.manifest.kind)?.describe?.(backup.manifest) ?? []
  return { ...backup, made, outcome: outcomeOf(backup), places }
}

function print({ id, copies }: Located): void {
  const [{ backup }] = copies
  const { manifest, verified, failed, hold, drills } = backup
  say(id)
  sayTable([
    ['source', `${manifest.source} (${manifest.kind}) on ${manifest.host.label}`],
    ['asked for', `${moment(manifest.at)}${manifest.reason ? `, "${manifest.reason}"` : ''}`],
    ['data of', `${moment(manifest.captured.from)} to ${moment(manifest.captured.to)}`],
    ['size', size(manifest.bytes)],
    ['consistency', `asked ${manifest.consistency.asked}, achieved ${manifest.consistency.achieved}`],
    ...(sourceOf(manifest.kind)?.describe?.(manifest) ?? []),
    ['plans', manifest.plans.join(', ') || '-'],
    ['parent', manifest.parent ?? '-'],
    ['encryption', manifest.encryption ?? 'none'],
    [
      'state',
      failed
        ? `failed at ${moment(failed.at)}: ${failed.error}`
        : verified
          ? `verified at ${moment(verified.at)}`
          : 'not verified',
    ],
    ...(manifest.protects === false ? [['protects', INSIDE]] : []),
    ...(manifest.incomplete === undefined ? [] : [['incomplete', manifest.incomplete]]),
    [
      'proven',
      drills.length ? drills.map(({ at, ok }) => `${moment(at)} ${ok ? 'passed' : 'failed'}`).join(', ') : 'not by a restore yet',
    ],
    ['held', hold ? `${hold.reason} (${hold.by ?? 'somebody'}, ${moment(hold.at)})` : '-'],
  ])
  section(
    'Lies in',
    copies.map(({ place, backup: { directory } }: Found) => [place.name, directory]),
  )
  section(
    'Artifacts',
    manifest.artifacts.map(({ name, bytes, sha256 }) => [name, size(bytes), `sha256 ${sha256}`]),
  )
  section(
    'Checks',
    (verified?.checks ?? []).map(({ name, result }) => [name, result]),
  )
  section(
    `Warnings (${manifest.warnings.count})`,
    manifest.warnings.first.map(warning => [warning]),
  )
}

function section(title: string, rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return
  say()
  say(title)
  sayTable(rows.map(row => ['', ...row]))
}
