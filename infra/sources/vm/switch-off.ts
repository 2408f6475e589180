/** Stops a guest whose disks are being replaced: asked first, then switched off. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, askUnless, type Guest, isActive, stateOf } from '../../tools/guest.ts'

const LOOK_EVERY = 500
const OFF_ALREADY = /domain is not running|failed to get domain|Domain not found/

/** Returns whether it had to be switched off. `patience` in ms; 0 asks nobody. */
export async function switchOff(guest: Guest, patience: number): Promise<boolean> {
  const began = performance.now()
  const running = (await stateOf(guest)) === 'running'
  if (running && patience > 0) await askUnless(guest, OFF_ALREADY, 'shutdown')
  while (running && performance.now() - began < patience && isActive(await domainState(guest)))
    await sleep(LOOK_EVERY, undefined, guest.signal ? { signal: guest.signal } : {})
  if (!isActive(await domainState(guest))) return false
  await askUnless(guest, OFF_ALREADY, 'destroy')
  return true
}

/** A domain that is not defined is gone once it is off. */
async function domainState(guest: Guest): Promise<string> {
  return (await askUnless(guest, OFF_ALREADY, 'domstate')) ?? 'shut off'
}

/** Starts it on its disks alone: memory that was saved belongs to what was on them before. */
export async function startFresh(guest: Guest): Promise<void> {
  await ask(guest, 'start', '--force-boot')
}
