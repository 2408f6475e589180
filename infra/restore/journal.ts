/** What a restore has done so far, written before it does more: a second run with the same token goes on from there. */
import { join } from 'node:path'
import { z } from 'zod'
import { HoldfastError, InvalidInput, messageOf } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { parseBackupId } from '../layout.ts'
import { Check, idPattern } from '../manifest.ts'

/** What undoing has to do with one target; fixed once, before undoing begins, because afterwards the disk no longer tells. */
const Undo = z.enum(['untouched', 'aside', 'fresh'])
export type Undo = z.infer<typeof Undo>

const Step = z.object({
  target: z.string(),
  /** Null: the target is only moved aside. */
  staged: z.string().nullable(),
  /** Whether there was something at the target once the service had stopped. */
  existed: z.boolean().optional(),
  undo: Undo.optional(),
  /** Whether there was something at the target when undoing began: anything that comes later is somebody else's. */
  occupied: z.boolean().optional(),
})
export type Step = z.infer<typeof Step>

/**
 * - staged: the new data lies beside its target; nothing is touched.
 * - stopping: the service is being told to stop, and may be down from now on.
 * - stopped: it was; targets are being exchanged.
 * - placed: all are exchanged; the service is being started.
 * - pulling: an instant restore runs from the backup; the rest of the data is being brought into place.
 * - healthy: it works; what was moved aside is being removed.
 * - done: the end.
 * - failing: it did not work; what was there is being put back.
 * - reverted: it is back; the service is being started with it.
 * - undone: the other end.
 */
export const Journal = z.object({
  version: z.literal(1),
  token: z.string(),
  backup: z.string().regex(idPattern),
  /** Set where it goes to another place than the one it came from. */
  elsewhere: z.boolean().optional(),
  /** That place, as it was asked for. */
  to: z.string().optional(),
  /** The part of the backup that alone is restored. */
  part: z.string().optional(),
  /** It runs from the backup while the data is brought into place. */
  instant: z.boolean().optional(),
  phase: z.enum(['staged', 'stopping', 'stopped', 'placed', 'pulling', 'healthy', 'done', 'failing', 'reverted', 'undone']),
  began: z.iso.datetime(),
  steps: z.array(Step),
  scratch: z.array(z.string()),
  leftOut: z.boolean(),
  checks: z.array(Check),
  /** Once healthy: what is in place was seen to work. */
  proven: z.boolean().optional(),
  /** Once failing: why. */
  error: z.string().optional(),
  /** Once done. */
  aside: z.array(z.string()).optional(),
  seconds: z.number().nonnegative().optional(),
})
export type Journal = z.infer<typeof Journal>

/** What a token knows how to go on with; undefined where it never began. */
export async function readJournal(host: Host, state: string, token: string): Promise<Journal | undefined> {
  const path = pathOf(state, token)
  const bytes = await host.readIfThere(path)
  if (!bytes) return undefined
  try {
    return Journal.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (error) {
    throw new HoldfastError(`${path} is not what Holdfast writes: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: 'A restore began and how far it came is not known. Look beside its targets for names with .before- in them before you go on.',
    })
  }
}

/** Whole or not at all. */
export async function writeJournal(host: Host, state: string, journal: Journal): Promise<Journal> {
  await host.makeDirectory(state)
  await host.write(pathOf(state, journal.token), `${JSON.stringify(journal, undefined, 2)}\n`)
  return journal
}

/** Restores that stopped in the middle of exchanging data: their services may be down until they are run again with their token. */
export async function unfinishedRestores(host: Host, state: string): Promise<Journal[]> {
  const unfinished = ['stopping', 'stopped', 'placed', 'pulling', 'failing', 'reverted']
  return (await journalsIn(host, state)).filter(({ phase }) => unfinished.includes(phase))
}

/** Restores that have not ended and need the backup until they have. */
export async function instantRestores(host: Host, state: string, backup: string): Promise<Journal[]> {
  const journals = await journalsIn(host, state)
  return journals.filter(journal => journal.instant && journal.backup === backup && !['done', 'undone'].includes(journal.phase))
}

async function journalsIn(host: Host, state: string): Promise<Journal[]> {
  const names = (await host.list(state)).map(({ name }) => /^restore-(.+)\.json$/.exec(name)?.[1])
  const journals = await Promise.all(names.map(token => (token ? readJournal(host, state, token) : undefined)))
  return journals.filter(journal => journal !== undefined)
}

/** Two restores that take turns at one target would take each other's data for what was there before. */
export async function refuseSecond(host: Host, state: string, journal: Journal): Promise<void> {
  const targets = new Set(journal.steps.map(({ target }) => target))
  const other = (await unfinishedRestores(host, state)).find(
    ({ token, steps }) => token !== journal.token && steps.some(({ target }) => targets.has(target)),
  )
  if (!other) return
  throw new InvalidInput(`a restore of ${other.backup} to the same place was interrupted and is not finished`, {
    hint: howToFinish(other),
  })
}

/** A command goes on with what a command began, and with what anybody began in a source's own place. */
function howToFinish({ token, backup, elsewhere, to, part }: Journal): string {
  const byInstance = token.startsWith('cli-') ? '' : 'The instance that began it finishes it when it runs again. '
  if (byInstance && elsewhere) return byInstance.trimEnd()
  const place = `${part === undefined ? '' : ` --part ${part}`}${to === undefined ? '' : ` --to ${to}`}`
  return `${byInstance}Finish it first, while no instance runs: holdfast restore ${backup}${place}`
}

/** The restore of a source in its place that stopped in the middle; one to another place leaves the source as it is. */
export async function halfRestored(host: Host, state: string, source: string): Promise<Journal | undefined> {
  const unfinished = await unfinishedRestores(host, state)
  return unfinished.find(({ backup, elsewhere }) => !elsewhere && parseBackupId(backup)?.source === source)
}

/** Data that is half exchanged, or that its service is not well with, is nothing to back up. */
export async function refuseHalfRestored(host: Host, state: string, source: string): Promise<void> {
  const half = await halfRestored(host, state, source)
  if (!half) return
  const how = half.phase === 'pulling' ? 'is not all in place yet' : 'stopped in the middle of the exchange'
  throw new HoldfastError(`${source} is half restored: the restore of ${half.backup} ${how}`, {
    retryable: false,
    hint:
      'An instance finishes what it began when it runs again. What a command began, or an instance gave up, this finishes while no ' +
      `instance runs: holdfast restore ${half.backup}`,
  })
}

function pathOf(state: string, token: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(token)) throw new InvalidInput(`${JSON.stringify(token)} cannot name a restore`)
  return join(state, `restore-${token}.json`)
}
