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

/** Bytes: firmware that finds nothing to boot reads a few sectors and writes none. A system that has come up does much more. */
const READ = 8 * 1024 * 1024
const WRITTEN = 64 * 1024

/**
 * The agent's answer is the best sign. Without one, a screen that shows something while the guest works with its disks; a guest that may
 * have an agent gets a third of the time for that.
 */
export async function watchForLife(guest: Guest, watching: Watching): Promise<Signs> {
  const { channel, answered, limit, scratch } = watching
  const began = performance.now()
  let picture: Uint8Array | undefined
  let pictured = Number.NEGATIVE_INFINITY
  for (;;) {
    const elapsed = performance.now() - began
    const seconds = Math.round(elapsed / 100) / 10
    const end = (seen: Partial<Signs>): Signs => ({ agent: false, seen: '', problem: undefined, picture, seconds, ...seen })
    const state = await askUnless(guest, GONE, 'domstate')
    if (state !== 'running') return end({ problem: `it did not go on running: after ${seconds} s it is ${state ?? 'gone'}` })
    if (channel && (await agentAnswers(guest))) {
      picture = (await screenOf(guest, scratch)) ?? picture
      return end({ agent: true, seen: `its agent answered after ${seconds} s` })
    }
    if (elapsed - pictured >= PICTURE_EVERY) {
      picture = (await screenOf(guest, scratch)) ?? picture
      pictured = elapsed
      const patient = !answered && (!channel || elapsed >= limit / 3)
      const { works, said } = await workOf(guest)
      if (patient && works && picture && !isBlank(picture)) return end({ seen: `its screen shows something, and it has ${said}` })
      if (elapsed >= limit) return end({ problem: lack(watching, said, picture) })
    }
    await sleep(LOOK_EVERY, undefined, guest.signal ? { signal: guest.signal } : {})
  }
}

/** What a person has to know of a guest that did not show enough. */
function lack({ channel, limit }: Watching, said: string, picture: Uint8Array | undefined): string {
  const screen = !picture
    ? 'no picture of its screen could be taken'
    : `its screen ${isBlank(picture) ? 'is blank' : 'shows something'}`
  const missed = channel ? 'its agent did not answer' : 'it showed no sign of life'
  return `${missed} within ${Math.round(limit / 1000)} s; ${screen}, and it has ${said}`
}

/** Undefined where it has none, or is gone. */
async function screenOf(guest: Guest, scratch: string): Promise<Uint8Array | undefined> {
  const file = join(scratch, 'screen')
  if ((await askUnless(guest, NO_SCREEN, 'screenshot', `--file=${file}`)) === undefined) return undefined
  return toPng(await guest.host.read(file))
}

/** On all its disks. */
async function workOf(guest: Guest): Promise<{ works: boolean; said: string }> {
  const text = (await askUnless(guest, GONE, 'domblkstat')) ?? ''
  const [read, written] = ['rd_bytes', 'wr_bytes'].map(name => Number(new RegExp(`${name} (\\d+)`).exec(text)?.[1] ?? 0))
  const works = (read ?? 0) >= READ || (written ?? 0) >= WRITTEN
  return { works, said: `read ${read ?? 0} and written ${written ?? 0} bytes` }
}
