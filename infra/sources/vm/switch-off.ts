/** Stops a guest whose disks are being replaced: asked first, then switched off. */
import { ask, askUnless, type Guest, isActive, stateOf } from '../../tools/guest.ts'
import { refusedWith } from '../../tools/virsh.ts'
import { goesOff } from './offline.ts'

const OFF_ALREADY = /domain is not running|failed to get domain|Domain not found/

/** Returns whether it had to be switched off. `patience` in ms; 0 asks nobody. */
export async function switchOff(guest: Guest, patience: number): Promise<boolean> {
  if (patience > 0 && (await stateOf(guest)) === 'running') await askedToGo(guest, patience)
  if (!isActive(await domainState(guest))) return false
  await askUnless(guest, OFF_ALREADY, 'destroy')
  return true
}

async function askedToGo(guest: Guest, patience: number): Promise<void> {
  try {
    await goesOff(guest, Date.now() + patience, guest.signal ?? new AbortController().signal)
  } catch (error) {
    // One that was never defined is gone with its QEMU.
    if (!refusedWith(error, OFF_ALREADY)) throw error
  }
}

/** A domain that is not defined is gone once it is off. */
async function domainState(guest: Guest): Promise<string> {
  return (await askUnless(guest, OFF_ALREADY, 'domstate')) ?? 'shut off'
}

/** Starts it on its disks alone: memory that was saved belongs to what was on them before. */
export async function startFresh(guest: Guest): Promise<void> {
  await ask(guest, 'start', '--force-boot')
}
