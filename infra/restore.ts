/** Brings a backup back in place: proves it, stages it, stops the service, exchanges, starts, waits for health, or puts all back. */
import type { ServiceConfig } from './config.ts'
import { HoldfastError, InvalidInput, messageOf } from './errors.ts'
import type { Host } from './hosts/host.ts'
import type { Check } from './manifest.ts'
import {
  asideOf,
  classify,
  type Exchange,
  isThere,
  observe,
  place,
  reasonToKeep,
  rejectedOf,
  removalOf,
  undo,
} from './restore/exchange.ts'
import { waitForHealth } from './restore/health.ts'
import { type Journal, readJournal, refuseSecond, writeJournal } from './restore/journal.ts'
import type { Restore, Restored } from './restore/work.ts'
import { checkArtifacts } from './tools/checksums.ts'

export type { Restore, Restored } from './restore/work.ts'

/** Nothing is touched until the backup is proven and staged; from then on it ends with the new data well, or the old data back. */
export async function restoreBackup(restore: Restore): Promise<Restored> {
  const known = await readJournal(restore.host, restore.state, restore.token)
  const { id } = restore.backup.manifest
  if (known && known.backup !== id)
    throw new InvalidInput(`token ${restore.token} belongs to a restore of ${known.backup}, not of ${id}`)
  const journal = known ?? (await prepare(restore))
  if (['failing', 'reverted', 'undone'].includes(journal.phase)) return await putBack(restore, journal)
  return await finish(restore, await exchange(restore, journal))
}

async function prepare(restore: Restore): Promise<Journal> {
  const { backup, host, driver, options, to, token, signal, progress, warn } = restore
  const { manifest, directory } = backup
  const began = new Date().toISOString()
  const work = { host, source: manifest.source, id: manifest.id, options, directory, manifest, signal, progress, warn }
  const checks = [...(await checkArtifacts(host, directory, manifest, signal)), ...(await driver.verify(work))]
  const staged = await driver.stage({ ...work, to, token })
  const steps = staged.replacements.map(({ target, staged }) => ({ target, staged: staged ?? null }))
  const { scratch, leftOut } = staged
  const all = [...checks, ...staged.checks]
  const journal: Journal = {
    version: 1,
    token,
    backup: manifest.id,
    elsewhere: to !== undefined,
    ...(to === undefined ? {} : { to }),
    phase: 'staged',
    began,
    steps,
    scratch,
    leftOut,
    checks: all,
  }
  try {
    signal.throwIfAborted()
    await refuseSecond(host, restore.state, journal)
    return await writeJournal(host, restore.state, journal)
  } catch (error) {
    if (!signal.aborted) await discard(host, stagedOf(journal))
    throw error
  }
}

async function exchange(restore: Restore, given: Journal): Promise<Journal> {
  const { host, state, signal } = restore
  const moves = movesOf(restore)
  let journal = given
  try {
    if (journal.phase === 'staged' || journal.phase === 'stopped') {
      await stop(restore, journal)
      const steps = await observe(moves, journal.steps)
      journal = await writeJournal(host, state, { ...journal, phase: 'stopped', steps })
      signal.throwIfAborted()
      await place(moves, steps)
      journal = await writeJournal(host, state, { ...journal, phase: 'placed' })
    }
    if (journal.phase === 'placed') {
      const checks = [...journal.checks, ...(await begin(restore))]
      signal.throwIfAborted()
      journal = await writeJournal(host, state, { ...journal, phase: 'healthy', checks })
    }
    return journal
  } catch (error) {
    // Somebody else may own this restore by now, and goes on from the journal.
    if (signal.aborted) throw error
    const steps = journal.phase === 'staged' ? journal.steps : await classify(moves, journal.steps)
    return await putBack(
      restore,
      await writeJournal(host, state, { ...journal, phase: 'failing', steps, error: messageOf(error) }),
    )
  }
}

async function stop({ host, service, to, signal, warn }: Restore, { steps }: Journal): Promise<void> {
  if (to !== undefined) return
  if (service) await host.run(service.stop, { signal })
  else
    warn(
      `nothing stops the program that uses ${steps.at(-1)?.target}: name its \`service\`, or stop it yourself before you restore`,
    )
}

async function begin({ host, service, health, to, signal }: Restore): Promise<Check[]> {
  if (to !== undefined) return []
  if (service) await host.run(service.start, { signal })
  return health ? [await waitForHealth(host, health, signal)] : []
}

async function finish(restore: Restore, journal: Journal): Promise<Restored> {
  const { host, state, token, warn } = restore
  const targets = journal.steps.filter(({ staged }) => staged !== null).map(({ target }) => target)
  const { checks } = journal
  if (journal.phase === 'done') return { targets, aside: journal.aside ?? [], checks, seconds: journal.seconds ?? 0 }
  const asides = journal.steps.map(({ target }) => asideOf(target, token))
  const aside: string[] = []
  const reason = reasonToKeep({ ...restore, ...journal })
  for (const path of asides) {
    if (reason === undefined) await host.remove(path)
    else if (await isThere(host, path)) aside.push(path)
  }
  await discard(host, stagedOf(journal))
  if (aside.length && reason) warn(`what was there was kept: ${reason}. Once you need it no more: ${removalOf(aside)}`)
  const seconds = Math.max(0, Date.now() - Date.parse(journal.began)) / 1000
  await writeJournal(host, state, { ...journal, phase: 'done', aside, seconds })
  return { targets, aside, checks, seconds }
}

/** Ends in an error whatever it does: the restore did not happen. */
async function putBack(restore: Restore, given: Journal): Promise<never> {
  const { host, state, signal, token } = restore
  const service = restore.to === undefined ? restore.service : undefined
  let journal = given
  if (journal.phase === 'failing') {
    if (service) await attempt('stop the service', service.stop, restore)
    await undo(movesOf(restore), journal.steps)
    journal = await writeJournal(host, state, { ...journal, phase: 'reverted' })
  }
  if (journal.phase === 'reverted') {
    const problem = service && (await attempt('start the service again', service.start, restore))
    signal.throwIfAborted()
    const error = [journal.error, problem].filter(Boolean).join('; and then: ')
    journal = await writeJournal(host, state, { ...journal, phase: 'undone', error })
  }
  await discard(host, [...journal.steps.map(({ target }) => rejectedOf(target, token)), ...stagedOf(journal)])
  throw new HoldfastError(`restore of ${journal.backup} was rolled back: ${journal.error ?? 'it failed'}`, {
    retryable: false,
    hint: 'What was there before is in its place again. Find out why it failed, then ask for a new restore, or restore to another place.',
  })
}

/** A service that is broken may refuse to stop; the data goes back all the same, and the person hears of it. */
async function attempt(deed: string, argv: ServiceConfig['stop'], { host, signal, warn }: Restore): Promise<string | undefined> {
  try {
    await host.run(argv, { signal })
    return undefined
  } catch (error) {
    if (signal.aborted) throw error
    const problem = `could not ${deed}: ${messageOf(error)}`
    warn(problem)
    return problem
  }
}

/** Everything that was staged, exchanged since or not. */
function stagedOf({ steps, scratch }: Journal): string[] {
  return [...steps.flatMap(({ staged }) => staged ?? []), ...scratch]
}

async function discard(host: Host, paths: readonly string[]): Promise<void> {
  for (const path of paths) await host.remove(path)
}

function movesOf({ host, token, warn }: Restore): Exchange {
  return { host, token, warn }
}
