import { resolve } from 'node:path'
import type { Command } from 'commander'
import { events } from '../../bus/events.ts'
import type { Visitor } from '../../bus/visitor.ts'
import { isName, refuseDestination } from '../../infra/destination.ts'
import { HoldfastError, InvalidInput } from '../../infra/errors.ts'
import { type Located, locate, nameOf } from '../../infra/find.ts'
import { labelOf, locateToRestore } from '../../infra/recover.ts'
import { removalOf } from '../../infra/restore/exchange.ts'
import { refuseInstant } from '../../infra/restore/instant.ts'
import { refuseUnknownPart } from '../../infra/restore/prepare.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { Accepted } from '../answers.ts'
import { idOf } from '../entries.ts'
import { Interrupted } from '../errors.ts'
import { followRequest } from '../follow.ts'
import { intention } from '../intention.ts'
import { interruptible } from '../interrupt.ts'
import { note, say, sayJson, size, span } from '../print.ts'
import { agree, canAsk } from '../question.ts'
import { recoverHere } from '../recovery.ts'
import { stateDirectoryOf } from '../session.ts'
import { openWhere, type Where, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  to?: string
  part?: string
  instant?: boolean
  keepAside?: boolean
  yes?: boolean
  json?: boolean
}

/** What came of it, whoever did it. */
interface Result {
  id: string
  from: string
  targets: string[]
  aside: string[]
  checks: { name: string; result: string }[]
  seconds: number
}

/** `holdfast restore ID`: shows what it will do, asks, and brings the backup back. */
export function restoreCommand(program: Command): void {
  program
    .command('restore')
    .description('bring a backup back; works without a running instance, and from a vault directory alone')
    .argument('<id|source>', 'the backup, the beginning of its id, or a source: then its newest verified one')
    .option('--to <place>', 'to another place than the one it came from: a path, or for a virtual machine a new name')
    .option('--part <name>', 'one part of it alone; of a virtual machine a disk such as vda, xml or workspace')
    .option('--instant', 'of a virtual machine: it runs from the backup at once, and its disks are brought into place meanwhile')
    .option('--vault <name>', 'from this vault (default: the nearest good copy)')
    .option('--from <directory>', 'from a directory that holds backups; needs no configuration')
    .option('--keep-aside', 'keep what was there beside it afterwards')
    .option('--yes', 'do not ask')
    .option('--json', 'the result as JSON')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { part, instant = false } = options
      await using where = await openWhere(options)
      const located = await backupMeant(name, options.to, where)
      const to = destinationOf(located, options)
      for (const problem of located.problems) note(`holdfast: ${problem}`)
      const known = knownSession(located, where)
      const tell = options.json ? note : say
      for (const line of intention(located, { to, part, instant, keepAside: options.keepAside ?? false, session: known }))
        tell(line)
      await consent(options)
      const result = await perform(located, to, { ...where, session: known }, options)
      if (options.json) sayJson(result)
      else report(result, located)
    })
}

/** As the kind understands it: a name, or a path that counts from here. */
function destinationOf({ copies: [{ backup }] }: Located, { to, part, instant }: Options): string | undefined {
  const driver = sourceOf(backup.manifest.kind)
  const place = to === undefined || (driver && isName(driver, part)) ? to : resolve(to)
  if (driver) refuseDestination(driver, { to: place, part })
  if (driver) refuseUnknownPart(driver, backup.manifest, part)
  if (driver && instant) refuseInstant(driver, part)
  return place
}

/** Without a configuration there is nothing but what the place holds. */
async function backupMeant(name: string, to: string | undefined, { places, session }: Where): Promise<Located> {
  if (!session) return locate(places, await idOf(name, places))
  const { tools } = session
  return locateToRestore({ tools, places }, { text: await idOf(name, places, labelOf(tools, name)), to })
}

/** The configuration, where it knows the source. */
function knownSession({ copies: [{ backup }] }: Located, { session }: Where): Where['session'] {
  return session && Object.hasOwn(session.configuration.sources, backup.manifest.source) ? session : undefined
}

async function consent({ yes }: Options): Promise<void> {
  if (yes) return
  if (!canAsk())
    throw new InvalidInput('nobody can be asked here', { hint: 'If that is what you want, say it again with --yes.' })
  if (!(await agree('Restore it?'))) throw new Interrupted('nothing was restored')
}

/** By the running instance, which keeps the source from being backed up meanwhile; without one, here. */
async function perform(
  located: Located,
  to: string | undefined,
  { session }: Pick<Where, 'session'>,
  options: Options,
): Promise<Result> {
  const { vault, from, part, instant = false, keepAside = false } = options
  const bus = await session?.bus()
  const served = bus !== undefined && (await bus.served())
  if (bus && served && from === undefined)
    return ask(bus, { id: nameOf(located.copies[0].backup), to, part, vault, instant, keepAside })
  if (bus && served && to === undefined) await refuseBusy(bus, located)
  const recovered = await recoverHere({
    located,
    session,
    stateDirectory: stateDirectoryOf(options),
    to,
    part,
    instant,
    keepAside,
  })
  return { id: located.id, ...recovered }
}

async function ask(
  visitor: Visitor,
  request: { id: string; keepAside: boolean; instant: boolean } & Partial<Record<'to' | 'part' | 'vault', string | undefined>>,
): Promise<Result> {
  const from = await visitor.next()
  const accepted = await visitor.ask('restore', request, Accepted)
  using stop = interruptible({ message: 'no longer watching; the restore goes on. See: holdfast events --since 10m' })
  const ends = [events.restore.done, events.restore.failed]
  const seen = await followRequest(accepted, ends, { visitor, from, signal: stop.signal })
  if (seen?.event.type === events.restore.done.type) return events.restore.done.schema.parse(seen.data)
  const { error } = events.restore.failed.schema.parse(seen?.data)
  throw new HoldfastError(error.message, { retryable: error.retryable, ...(error.hint ? { hint: error.hint } : {}) })
}

async function refuseBusy(bus: Visitor, { copies: [{ backup }] }: Located): Promise<void> {
  const holder = await bus.holderOf(backup.manifest.source)
  if (holder)
    throw new InvalidInput(`${backup.manifest.source} is busy with ${holder.split(' ')[0]}`, {
      hint: 'Wait until it is done: holdfast status',
    })
}

function report({ id, from, targets, aside, checks, seconds }: Result, { copies: [{ backup }] }: Located): void {
  say(`${id}  ${size(backup.manifest.bytes)}  ${from}  →  ${targets.join(', ')}  restored  ${span(seconds)}`)
  for (const { name, result } of checks) say(`  ${name}: ${result}`)
  for (const path of aside) say(`  what was there is kept: ${path}`)
  if (aside.length) say(`  once you need it no more: ${removalOf(aside)}`)
}
