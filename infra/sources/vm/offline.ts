/** Captures a guest that is shut down for it, and sees to it that it runs again. */
import { setTimeout as wait } from 'node:timers/promises'
import { formatDuration } from '../../duration.ts'
import { CommandFailed, HoldfastError, InvalidInput, messageOf } from '../../errors.ts'
import { child, parseDomain, rootOf } from '../../tools/domain-xml.ts'
import { ask, askUnless, type Guest, stateOf, xmlOf } from '../../tools/guest.ts'
import { virsh } from '../../tools/virsh.ts'
import { beginMethod, type Capture, fixLive } from './capture.ts'
import { refuseEncrypted } from './choose.ts'
import { CLEAN, endOf } from './convert.ts'
import { keepState } from './domain-state.ts'
import { type Moment, silence } from './freeze.ts'

/** Milliseconds between two looks, and between two requests: a guest that boots does not hear the first one. */
const LOOK = 200
const ASK_AGAIN = 10_000

/** The power button first: libvirt waits for a minute for an agent that is asked and does not shut down, and asks it nothing else. */
const WAYS = ['--mode=acpi', '--mode=agent']

/** What a domain that is off needs no more, and one that runs does not take a second time. */
const ENDED = /domain is not running|not paused|already (running|active)/

/** The moment of a guest that is off, or is shut down for it. It runs again before this returns, if it ran. */
export async function fixOffline(capture: Capture): Promise<Moment> {
  const { guest, held, work, stage } = capture
  const keep = () => keepState(work, guest, stage)
  if (!held.ran) {
    await keep()
    await beginMethod(capture)
    return { achieved: (await endOf(guest)) === CLEAN ? 'filesystem' : 'crash', frozen: null }
  }
  await refuseUnstoppable(guest)
  const began = performance.now()
  if (!(await isPausedByUs(capture)) && !(await shutDown(capture))) {
    await keep()
    return await fixLive(capture)
  }
  await keep()
  await startPaused(capture)
  await beginMethod(capture)
  if (capture.held.method !== 'convert') await startAgain(guest, undefined)
  const downtime = Math.round(performance.now() - began)
  if (capture.held.method !== 'convert') await capture.remember({ stopped: undefined })
  return { achieved: capture.held.unmounted ? 'filesystem' : 'crash', frozen: null, downtime }
}

/** A second try after a kill finds it as the first one left it: started, and not a single instruction run. */
async function isPausedByUs({ guest, held }: Capture): Promise<boolean> {
  return held.stopped !== undefined && (await stateOf(guest)) === 'paused'
}

/** What would vanish when it is shut down, or start by itself. */
async function refuseUnstoppable(guest: Guest): Promise<void> {
  const info = await ask(guest, 'dominfo')
  const onPoweroff = child(rootOf(parseDomain(await xmlOf(guest))), 'on_poweroff')?.textContent ?? 'destroy'
  const why = /^Persistent:\s+no$/m.test(info)
    ? 'it is transient, and would be gone'
    : onPoweroff !== 'destroy' && `its on_poweroff is ${onPoweroff}, so that it does not stay off`
  if (why) throw new InvalidInput(`${guest.domain} cannot be shut down for its backup: ${why}`, { hint: 'Configure mode: live.' })
}

/** Whether it is off now. One that is not fails the backup, or is captured as it runs, as configured; it is never destroyed. */
async function shutDown(capture: Capture): Promise<boolean> {
  const { guest, work, look, held } = capture
  const { shutdownLimit, unwilling } = work.options
  const end = Date.now() + shutdownLimit
  const answered = held.answered ?? (look.active ? look.description.agent && (await silence(guest)) === undefined : undefined)
  // Noted before it is asked: who finds this note has to start the guest.
  await capture.remember({ stopped: new Date(end).toISOString(), answered })
  if (await goesOff(guest, end, work.signal)) {
    await noteEnd(capture)
    return true
  }
  const why = `${guest.domain} did not shut down within ${formatDuration(shutdownLimit)}`
  if (unwilling === 'fail')
    throw new HoldfastError(`${why}, and is never forced to`, {
      retryable: false,
      hint: 'See why it ignores the request (agent, ACPI, a dialog), raise shutdownLimit, or configure unwilling: live.',
    })
  capture.warn(`${why}, so it is captured as it runs`)
  await capture.remember({ mode: 'live', why: `${held.why}; it did not shut down` })
  return false
}

/** Noted before it is started: libvirt tells of the last end alone, and a QEMU that was killed leaves no closed disks. */
async function noteEnd({ guest, held, remember, warn }: Capture): Promise<void> {
  const reason = await endOf(guest)
  // A start that failed came after the end that counts.
  const unmounted = reason === 'failed' ? held.unmounted === true : reason === CLEAN
  if (!unmounted) warn(`${guest.domain} did not end by its shutdown (libvirt says: ${reason}), so the backup is crash-consistent`)
  await remember({ unmounted })
}

/** Asks it again and again until the end (ms since 1970), and says whether it went off. */
export async function goesOff(guest: Guest, end: number, signal: AbortSignal): Promise<boolean> {
  let next = 0
  for (let tries = 0; (await stateOf(guest)) !== 'shut off'; await wait(LOOK, undefined, { signal })) {
    if (Date.now() >= end) return false
    if (Date.now() < next) continue
    await request(guest, WAYS[tries++ % WAYS.length] ?? '', Math.max(end - Date.now(), LOOK))
    next = Date.now() + ASK_AGAIN
  }
  return true
}

/** Whatever comes of it: what counts is whether the guest goes off. */
async function request(guest: Guest, way: string, left: number): Promise<void> {
  const timeout = Math.min(left, ASK_AGAIN)
  await virsh(guest, ['shutdown', `--domain=${guest.domain}`, way], { timeout }).catch((error: unknown) => {
    if (!(error instanceof CommandFailed) || error.outcome.exitCode === 127) throw error
  })
}

/** Its QEMU runs, and the guest does not. One that cannot be started is copied as it lies. */
async function startPaused(capture: Capture): Promise<void> {
  const { guest, held } = capture
  if ((await stateOf(guest)) === 'paused') return
  try {
    await ask(guest, 'start', '--paused')
  } catch (error) {
    if ((await stateOf(guest)) !== 'shut off') throw error
    refuseEncrypted(capture.look.disks, `it cannot be started (${messageOf(error)}), so that`)
    capture.warn(`it cannot be started, so its closed disks are copied whole: ${messageOf(error)}`)
    const disks = held.disks.map(({ parent: _, ...disk }) => disk)
    await capture.remember({ method: 'convert', parent: null, checkpoint: null, dirty: null, disks })
  }
}

/**
 * Lets a guest that we shut down run. One that was asked to and is still up may be on its way: until then (ISO 8601) it is waited
 * for. May be called any number of times.
 */
export async function startAgain(guest: Guest, until: string | undefined): Promise<void> {
  for (;;) {
    const state = await stateOf(guest)
    if (state === 'paused') await askUnless(guest, ENDED, 'resume')
    else if (state === 'shut off') await askUnless(guest, ENDED, 'start')
    else if (!until || Date.now() >= Date.parse(until)) return
    if (state === 'paused' || state === 'shut off') return
    await wait(LOOK, undefined, guest.signal && { signal: guest.signal })
  }
}
