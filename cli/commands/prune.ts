import type { Command } from 'commander'
import { isAtWork } from '../../bus/hold.ts'
import { HoldfastError } from '../../infra/errors.ts'
import type { Backup } from '../../infra/inventory.ts'
import { type PlaceRotation, planRotation, rotate } from '../../infra/rotation.ts'
import { note, say, sayJson, sayTable } from '../print.ts'
import { type GlobalOptions, openSession, type Session } from '../session.ts'

interface Options extends GlobalOptions {
  dryRun?: boolean
  json?: boolean
}

interface Pruned {
  source: string
  place: string
  id: string
  keep: boolean
  removed: boolean
  reasons: string[]
}

/** `holdfast prune`: removes what retention no longer keeps, and says why the rest stays. */
export function pruneCommand(program: Command): void {
  program
    .command('prune')
    .description('remove what retention no longer keeps, here and in the vaults')
    .argument('[source]', 'of this source alone')
    .option('--dry-run', 'only say what would stay, what would go, and why')
    .option('--json', 'as a JSON array')
    .action(async (source: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using session = await openSession(options)
      const names = source === undefined ? Object.keys(session.configuration.sources) : [source]
      const problems: string[] = []
      const pruned: Pruned[] = []
      for (const name of names) pruned.push(...(await pruneSource(name, options.dryRun ?? false, session, problems)))
      if (options.json) sayJson(pruned)
      else print(pruned, options.dryRun ?? false)
      for (const problem of problems) note(`holdfast: ${problem}`)
      if (problems.length)
        throw new HoldfastError('not every place was pruned', { hint: 'See above. What could not be read was left as it is.' })
    })
}

async function pruneSource(name: string, dryRun: boolean, session: Session, problems: string[]): Promise<Pruned[]> {
  const source = session.tools.source(name)
  const { places, problems: unreachable } = await planRotation({
    tools: session.tools,
    source,
    inProgress: backup => inProgress(backup, session),
  })
  problems.push(...unreachable)
  const all: Pruned[] = []
  for (const place of places) all.push(...(await prunePlace(name, place, dryRun, problems)))
  return all
}

async function prunePlace(source: string, place: PlaceRotation, dryRun: boolean, problems: string[]): Promise<Pruned[]> {
  const rotated = dryRun ? { removed: [], problems: [] } : await rotate(place)
  problems.push(...rotated.problems)
  return place.decisions.toReversed().map(({ backup: { manifest }, keep, reasons }) => {
    const removed = rotated.removed.includes(manifest.id)
    return { source, place: place.place, id: manifest.id, keep, removed, reasons }
  })
}

/** The bus knows whether a run has ended. Where a configured one is away, somebody may be at work all the same. */
async function inProgress({ manifest: { id, source, at }, verified, failed }: Backup, session: Session): Promise<boolean> {
  const bus = await session.bus()
  const proven = Boolean(verified ?? failed)
  if (!bus) return !proven && session.configuration.nats !== undefined
  const host = session.tools.source(source).config.host
  const get = async (name: string) => {
    const value = await bus.holderOf(name)
    return value === undefined ? undefined : { value, revision: 0 }
  }
  return isAtWork({ id, source, host, at, proven }, { run: { get }, find: bus.find })
}

function print(pruned: readonly Pruned[], dryRun: boolean): void {
  if (pruned.length === 0) {
    say('There are no backups yet.')
    return
  }
  const verb = ({ keep, removed }: Pruned) => (keep ? 'keep' : dryRun ? 'remove' : removed ? 'removed' : 'left')
  sayTable([['PLACE', 'BACKUP', '', 'WHY'], ...pruned.map(row => [row.place, row.id, verb(row), row.reasons.join(', ')])])
  const going = pruned.filter(({ keep }) => !keep).length
  say(`${pruned.length - going} kept, ${going} ${dryRun ? 'would go. Nothing was removed.' : 'removed.'}`)
}
