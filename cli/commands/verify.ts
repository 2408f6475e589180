import type { Command } from 'commander'
import { HoldfastError, InvalidInput, messageOf } from '../../infra/errors.ts'
import { type Found, locate } from '../../infra/find.ts'
import type { Check } from '../../infra/manifest.ts'
import { prove } from '../../infra/proof.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { checkArtifacts } from '../../infra/tools/checksums.ts'
import { readEntries } from '../entries.ts'
import { exitCodes, Interrupted } from '../errors.ts'
import { interruptible } from '../interrupt.ts'
import { openLive } from '../live.ts'
import { mood, note, say, sayJson, size, span, visible } from '../print.ts'
import { openWhere, type Where, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  json?: boolean
}

/** One copy, or what could not be read and so proves nothing: that has no directory. */
interface Proven {
  id: string | null
  place: string | null
  directory: string | null
  ok: boolean
  checks: Check[]
  error: string | null
  bytes: number
  seconds: number
}

/** `holdfast verify`: reads backups back and proves them where they lie. It writes nothing. */
export function verifyCommand(program: Command): void {
  program
    .command('verify')
    .description('prove every copy of backups again: manifest, every checksum, and what their kind can check')
    .argument('[id|source]', 'one backup, or the newest one of a source; without it the newest of every source')
    .option('--vault <name>', 'the copy in this vault alone')
    .option('--from <directory>', 'the copy in a directory alone; needs no configuration')
    .option('--json', 'as a JSON array')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using where = await openWhere(options)
      const { ids, problems } = await idsOf(name, where)
      const results: Proven[] = []
      for (const id of ids) {
        const found = await copiesOf(id, where)
        for (const problem of found.problems) problems.add(problem)
        for (const copy of found.copies) {
          const proven = await proveCopy(copy, where)
          results.push(proven)
          if (!options.json) say(lineOf(proven))
        }
      }
      for (const problem of problems) note(`holdfast: ${problem}`)
      if (options.json) sayJson([...results, ...[...problems].map(unproven)])
      if (problems.size || results.some(({ ok }) => !ok)) process.exitCode = exitCodes.failed
    })
}

/** With the names of their hosts: two hosts on one vault may use the same id. */
async function idsOf(name: string | undefined, { places, session }: Where): Promise<{ ids: string[]; problems: Set<string> }> {
  const { entries, problems } = await readEntries(places)
  const sources = [...new Set(entries.map(({ source }) => source))]
  if (name !== undefined && !sources.includes(name) && !isSource(name, session)) return { ids: [name], problems: new Set() }
  const wanted = name === undefined ? sources : [name]
  const newest = wanted.flatMap(source => entries.findLast(entry => entry.source === source) ?? [])
  const mine = name === undefined ? problems : (await readEntries(places, name)).problems
  if (newest.length || mine.length) return { ids: newest.map(({ host, id }) => `${host}/${id}`), problems: new Set(mine) }
  throw new InvalidInput(
    `there is no backup${name === undefined ? '' : ` of ${name}`} yet in ${places.map(place => place.name).join(', ')}`,
    { hint: 'Make one: holdfast run' },
  )
}

/** Where nothing of it can be read, that is what is wrong with it. */
async function copiesOf(id: string, { places }: Where): Promise<{ copies: readonly Found[]; problems: string[] }> {
  try {
    return await locate(places, id)
  } catch (error) {
    if (error instanceof InvalidInput || !(error instanceof HoldfastError)) throw error
    return { copies: [], problems: [error.message] }
  }
}

function unproven(error: string): Proven {
  return { id: null, place: null, directory: null, ok: false, checks: [], error, bytes: 0, seconds: 0 }
}

function isSource(name: string, session: Where['session']): boolean {
  return session !== undefined && Object.hasOwn(session.configuration.sources, name)
}

async function proveCopy({ place, backup }: Found, where: Where): Promise<Proven> {
  const began = Date.now()
  const { manifest, directory } = backup
  const common = { id: manifest.id, place: place.name, directory, bytes: manifest.bytes }
  const seconds = () => Math.round((Date.now() - began) / 1000)
  try {
    const checks = await checksOf({ place, backup }, where)
    return { ...common, ok: true, checks, error: null, seconds: seconds() }
  } catch (error) {
    // One that cannot be read hides no other.
    if (!(error instanceof HoldfastError) || error instanceof Interrupted) throw error
    return { ...common, ok: false, checks: [], error: messageOf(error), seconds: seconds() }
  }
}

/** Where its files can be read its kind looks too; otherwise the vault compares checksums. */
async function checksOf({ place, backup }: Found, { session }: Where): Promise<Check[]> {
  const { manifest, directory, verified } = backup
  const driver = sourceOf(manifest.kind)
  using stop = interruptible()
  const live = openLive()
  try {
    if (place.host && driver) {
      const options = isSource(manifest.source, session)
        ? session?.tools.source(manifest.source).config.options
        : manifest.details
      const progress = (now: { bytes: number; total?: number }) =>
        live.show({ step: 'verify', source: manifest.source, ms: 0, ...now })
      const work = {
        host: place.host,
        directory,
        driver,
        options,
        expected: verified?.manifest,
        signal: stop.signal,
        progress,
        warn: note,
      }
      return (await prove(work)).checks
    }
    if (place.host && !place.vault) return await checkArtifacts(place.host, directory, manifest, stop.signal)
    await place.vault?.check(backup, stop.signal)
    return [{ name: 'checksums', result: 'as in the manifest' }]
  } catch (error) {
    stop.signal.throwIfAborted()
    throw error
  } finally {
    live.clear()
  }
}

function lineOf({ id, place, ok, checks, error, bytes, seconds }: Proven): string {
  if (!ok) return [id, place, mood('failed', 'bad'), visible(error ?? '')].join('  ')
  const named = checks.map(({ name, result }) => `${name}: ${result}`).join(', ')
  return [id, place, size(bytes), mood('verified', 'good'), span(seconds), visible(named)].join('  ')
}
