/** Waits until a guest that was started shows that it lives. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import { ask, type Guest, stateOf } from '../../tools/guest.ts'
import { virshUnless } from '../../tools/virsh.ts'
import type { Started } from '../source.ts'

/** Milliseconds: for an agent that is known to answer, for one that may be there, and for a guest without any. */
const ANSWERS_WITHIN = 5 * 60_000
const MAY_ANSWER_WITHIN = 60_000
const RUNS_FOR = 10_000
const LOOK_EVERY = 500

export interface Expectation {
  /** A channel that an agent can answer on. */
  channel: boolean
  /** It answered when it was backed up. */
  answered: boolean
}

/** Throws where it does not go on running, or an agent that used to answer does not. Only an answer proves the restored data. */
export async function waitForAnswer(guest: Guest, { channel, answered }: Expectation): Promise<Started> {
  let began = performance.now()
  const limit = answered ? ANSWERS_WITHIN : channel ? MAY_ANSWER_WITHIN : RUNS_FOR
  for (;;) {
    const state = await stateOf(guest)
    const begins = state === 'paused' && (await isBeginning(guest))
    if (begins) began = performance.now()
    else if (state !== 'running')
      throw new HoldfastError(`${guest.domain} did not go on running: it is ${state}`, {
        hint: 'Look at its console and at the log of QEMU.',
      })
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    if (channel && !begins && (await agentAnswers(guest)))
      return { checks: [{ name: 'guest', result: `its agent answered after ${seconds} s` }], proven: true }
    if (performance.now() - began >= limit) {
      if (answered)
        throw new HoldfastError(`the agent in ${guest.domain} did not answer within ${seconds} s`, {
          hint: 'Look at its console.',
        })
      const result = channel
        ? `it runs for ${seconds} s, and no agent answers in it`
        : `it runs for ${seconds} s; it has no agent that could answer`
      // QEMU runs with a disk that does not boot, too.
      return { checks: [{ name: 'guest', result }], proven: false }
    }
    await sleep(LOOK_EVERY, undefined, guest.signal ? { signal: guest.signal } : {})
  }
}

/** Whoever asked for its start is gone, and libvirt is at it still: a guest with much memory takes minutes. */
async function isBeginning(guest: Guest): Promise<boolean> {
  return /starting up/.test(await ask(guest, 'domstate', '--reason'))
}

/** A hung agent must not hold us: it gets a few seconds each time. */
async function agentAnswers(guest: Guest): Promise<boolean> {
  const ping = ['qemu-agent-command', `--domain=${guest.domain}`, '--timeout=3', '{"execute":"guest-ping"}']
  return (await virshUnless(guest, /agent is not (connected|available|responding)|Guest agent/, ping)) !== undefined
}
