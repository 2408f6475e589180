import type { Command } from 'commander'
import { InvalidInput, messageOf, VerificationFailed } from '../../infra/errors.ts'
import { type Found, locate } from '../../infra/find.ts'
import type { Check } from '../../infra/manifest.ts'
import { prove } from '../../infra/proof.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { readEntries } from '../entries.ts'
import { exitCodes } from '../errors.ts'
import { interruptible } from '../interrupt.ts'
import { openLive } from '../live.ts'
import { mood, note, say, sayJson, size, span } from '../print.ts'
import { openWhere, type Where, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  json?: boolean
}

interface Proven {
  id: string
  place: string
  directory: string
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
    .description('prove backups again: manifest, every checksum, and what their kind can check')
    .argument('[id|source]', 'one backup, or the newest one of a source; without it the newest of every source')
    .option('--vault <name>', 'the copy in this vault')
    .option('--from <directory>', 'the copy in a directory; needs no configuration')
    .option('--json', 'as a JSON array')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using where = await openWhere(options)
      const results: Proven[] = []
      for (const id of await idsOf(name, where)) {
        const { copies, problems } = await locate(where.places, id)
        for (const problem of problems) note(`holdfast: ${problem}`)
        const proven = await proveCopy(copies[0], where)
        results.push(proven)
        if (!options.json) say(lineOf(proven))
      }
      if (options.json) sayJson(results)
      if (results.some(({ ok }) => !ok)) process.exitCode = exitCodes.failed
    })
}

async function idsOf(name: string | undefined, { places, session }: Where): Promise<string[]> {
  const { entries } = await readEntries(places)
  const sources = [...new Set(entries.map(({ source }) => source))]
  if (name !== undefined && !sources.includes(name) && !isSource(name, session)) return [name]
  const wanted = name === undefined ? sources : [name]
  const newest = wanted.flatMap(source => entries.findLast(entry => entry.source === source)?.id ?? [])
  if (newest.length) return newest
  throw new InvalidInput(
    `there is no backup${name === undefined ? '' : ` of ${name}`} yet in ${places.map(place => place.name).join(', ')}`,
    { hint: 'Make one: holdfast run' },
  )
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
    if (!(error instanceof VerificationFailed)) throw error
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
    await place.vault?.check(backup, stop.signal)
    return [{ name: 'checksums', result: 'as in the manifest' }]
  } finally {
    live.clear()
  }
}

function lineOf({ id, place, ok, checks, error, bytes, seconds }: Proven): string {
  if (!ok) return [id, place, mood('failed', 'bad'), error].join('  ')
  const named = checks.map(({ name, result }) => `${name}: ${result}`).join(', ')
  return [id, place, size(bytes), mood('verified', 'good'), span(seconds), named].join('  ')
}
