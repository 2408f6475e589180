/** Brings a backup back: proves it, stages it, stops what uses the data, exchanges, starts, waits until it is well, or puts all back. */
import { HoldfastError, InvalidInput, messageOf } from './errors.ts'
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
import { endInstant, pull } from './restore/instant.ts'
import { type Journal, readJournal, writeJournal } from './restore/journal.ts'
import { prepare } from './restore/prepare.ts'
import { begin, startAgain, stop, stopBroken } from './restore/running.ts'
import { discard, stagedOf } from './restore/staged.ts'
import type { Restore, Restored } from './restore/work.ts'

export type { Restore, Restored } from './restore/work.ts'

/** Nothing is touched until the backup is proven and staged; from then on it ends with the new data well, or the old data back. */
export async function restoreBackup(asked: Restore): Promise<Restored> {
  const known = await readJournal(asked.host, asked.state, asked.token)
  const { id } = asked.backup.manifest
  if (known && known.backup !== id)
    throw new InvalidInput(`token ${asked.token} belongs to a restore of ${known.backup}, not of ${id}`)
  // What began goes on as it began.
  const restore = known
    ? { ...asked, to: known.elsewhere ? (known.to ?? asked.to) : undefined, part: known.part, instant: known.instant }
    : asked
  const journal = known ?? (await prepare(restore))
  if (['failing', 'reverted', 'undone'].includes(journal.phase)) return await putBack(restore, journal)
  return await finish(restore, await bringIn(restore, await exchange(restore, journal)))
}

async function exchange(restore: Restore, given: Journal): Promise<Journal> {
  const { host, state, signal } = restore
  const moves = movesOf(restore)
  let journal = given
  try {
    if (journal.phase === 'staged') journal = await writeJournal(host, state, { ...journal, phase: 'stopping' })
    if (journal.phase === 'stopping' || journal.phase === 'stopped') {
      await stop(restore, journal)
      const steps = await observe(moves, journal.steps)
      journal = await writeJournal(host, state, { ...journal, phase: 'stopped', steps })
      signal.throwIfAborted()
      await place(moves, steps)
      journal = await writeJournal(host, state, { ...journal, phase: 'placed' })
    }
    if (journal.phase === 'placed') {
      const { checks, proven } = await begin(restore)
      signal.throwIfAborted()
      const phase = restore.instant ? 'pulling' : 'healthy'
      journal = await writeJournal(host, state, { ...journal, phase, checks: [...journal.checks, ...checks], proven })
    }
    return journal
  } catch (error) {
    // Somebody else may own this restore by now, and goes on from the journal.
    if (signal.aborted) throw error
    const steps = journal.phase === 'stopping' ? journal.steps : await classify(moves, journal.steps)
    return await putBack(
      restore,
      await writeJournal(host, state, { ...journal, phase: 'failing', steps, error: messageOf(error) }),
    )
  }
}

/** What fails here is done again: it runs, and may not be put back any more. */
async function bringIn(restore: Restore, journal: Journal): Promise<Journal> {
  if (journal.phase !== 'pulling') return journal
  const checks = [...journal.checks, ...(await pull(restore))]
  restore.signal.throwIfAborted()
  return await writeJournal(restore.host, restore.state, { ...journal, phase: 'healthy', checks })
}

async function finish(restore: Restore, journal: Journal): Promise<Restored> {
  const { host, state, token, warn } = restore
  const targets = journal.steps.filter(({ staged }) => staged !== null).map(({ target }) => target)
  const { checks } = journal
  if (journal.phase === 'done') return { targets, aside: journal.aside ?? [], checks, seconds: journal.seconds ?? 0 }
  if (restore.instant) await endInstant(restore)
  const asides = journal.steps.map(({ target }) => asideOf(target, token))
  const aside: string[] = []
  const reason = reasonToKeep({ ...restore, ...journal, proven: journal.proven ?? restore.health !== undefined })
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
  let journal = given
  if (journal.phase === 'failing') {
    await stopBroken(restore)
    await undo(movesOf(restore), journal.steps)
    journal = await writeJournal(host, state, { ...journal, phase: 'reverted' })
  }
  if (journal.phase === 'reverted') {
    const problems = await startAgain(restore)
    signal.throwIfAborted()
    const error = [journal.error, ...problems].filter(Boolean).join('; and then: ')
    journal = await writeJournal(host, state, { ...journal, phase: 'undone', error })
  }
  await discard(host, [...journal.steps.map(({ target }) => rejectedOf(target, token)), ...stagedOf(journal)])
  if (restore.instant) await endInstant(restore)
  throw new HoldfastError(`restore of ${journal.backup} was rolled back: ${journal.error ?? 'it failed'}`, {
    retryable: false,
    hint: 'What was there before is in its place again. Find out why it failed, then ask for a new restore, or restore to another place.',
  })
}

function movesOf({ host, token, warn }: Restore): Exchange {
  return { host, token, warn }
}
