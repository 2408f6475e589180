/** Waits for signs of life of a guest that was started from a backup. */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { agentAnswers } from '../../tools/agent.ts'
import { askUnless, type Guest } from '../../tools/guest.ts'
import { isBlank, toPng } from '../../tools/picture.ts'

export interface Watching {
  /** A channel that an agent can answer on. */
  channel: boolean
  /** It answered when it was backed up: then nothing less will do. */
  answered: boolean
  /** Milliseconds. */
  limit: number
  /** Where pictures may be written. */
  scratch: string
}

export interface Signs {
  /** Why it does not live; undefined where it does. */
  problem: string | undefined
  /** What was seen, for people. */
  seen: string
  agent: boolean
  seconds: number
  /** The last picture that could be taken, PNG. */
  picture: Uint8Array | undefined
}

const GONE = /domain is not running|failed to get domain|Domain not found/
const NO_SCREEN = /no screens? to take screenshot from|not supported|domain is not running|Domain not found|failed to get domain/
const LOOK_EVERY = 500
const PICTURE_EVERY = 2500

/** Bytes: firmware that finds nothing to boot reads a few sectors, a system that comes up reads much more. */
const READS = 256 * 1024

/**
 * The agent's answer is the best sign. Without one, a screen that shows something while the guest has read from its disks; a guest that
 * may have an agent gets a third of the time for that.
 */
export async function watchForLife(guest: Guest, { channel, answered, limit, scratch }: Watching): Promise<Signs> {
  const began = performance.now()
  let picture: Uint8Array | undefined
  let pictured = Number.NEGATIVE_INFINITY
  for (;;) {
    const elapsed = performance.now() - began
    const signs = { agent: false, seconds: Math.round(elapsed / 100) / 10 }
    const state = await askUnless(guest, GONE, 'domstate')
    if (state !== 'running')
      return {
        ...signs,
        picture,
        seen: '',
        problem: `it did not go on running: after ${signs.seconds} s it is ${state ?? 'gone'}`,
      }
    if (channel && (await agentAnswers(guest))) {
      const seen = `its agent answered after ${signs.seconds} s`
      return { ...signs, picture: (await screenOf(guest, scratch)) ?? picture, seen, agent: true, problem: undefined }
    }
    if (elapsed - pictured >= PICTURE_EVERY) {
      picture = (await screenOf(guest, scratch)) ?? picture
      pictured = elapsed
      const patient = !answered && (!channel || elapsed >= limit / 3)
      const read = patient && picture && !isBlank(picture) ? await bytesRead(guest) : 0
      if (read >= READS)
        return { ...signs, picture, seen: `its screen shows something, and it has read ${read} bytes`, problem: undefined }
    }
    if (elapsed >= limit) {
      const missed = channel ? 'its agent did not answer' : 'it read hardly anything, or its screen stayed blank,'
      return { ...signs, picture, seen: '', problem: `${missed} within ${Math.round(limit / 1000)} s` }
    }
    await sleep(LOOK_EVERY, undefined, guest.signal ? { signal: guest.signal } : {})
  }
}

/** Undefined where it has none, or is gone. */
async function screenOf(guest: Guest, scratch: string): Promise<Uint8Array | undefined> {
  const file = join(scratch, 'screen')
  if ((await askUnless(guest, NO_SCREEN, 'screenshot', `--file=${file}`)) === undefined) return undefined
  return toPng(await guest.host.read(file))
}

/** Of all its disks. */
async function bytesRead(guest: Guest): Promise<number> {
  const text = (await askUnless(guest, GONE, 'domblkstat')) ?? ''
  return Number(/rd_bytes (\d+)/.exec(text)?.[1] ?? 0)
}
