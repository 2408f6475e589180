/** Freezes a guest's file systems for a moment, and sees to it that they are thawed whatever happens to us. */

import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import type { Consistency } from '../../manifest.ts'
import { ask, type Guest, NOT_RUNNING } from '../../tools/guest.ts'
import { reasonOf, refusedWith, talkingVirsh, virshCommand } from '../../tools/virsh.ts'
import type { Options } from './options.ts'

/** There while the guest may be frozen by us. */
const MARKER = 'frozen'

/** There is no agent that could have done it. */
const NOBODY = /guest agent is not (connected|configured)/

/** How often a thaw is tried again before release takes over. */
const THAWS = 5

/**
 * Runs on the host beside us and outlives us: thaws once the marker has been there for too long, again and again until the guest says
 * that it is thawed, or does not run.
 */
const WATCHDOG = `
exec </dev/null >/dev/null 2>&1
marker=$1 limit=$2; shift 2
end=$(($(date +%s) + limit))
while [ -e "$marker" ] && [ "$(date +%s)" -lt "$end" ]; do sleep 0.2; done
tries=0
while [ -e "$marker" ] && [ "$tries" -lt 720 ]; do
  case $("$@" domstate --domain="$DOMAIN") in running*|paused*) ;; "") ;; *) break ;; esac
  timeout 60 "$@" domfsthaw --domain="$DOMAIN" && break
  tries=$((tries + 1)); sleep 5
done
rm -f "$marker"
`

export interface Freezing {
  guest: Guest
  options: Pick<Options, 'quiesce' | 'freezeLimit'>
  /** It has a channel on which an agent can answer. */
  agent: boolean
  stage: string
  /** Called before anything is frozen: whether the agent answers. */
  heard(answers: boolean): Promise<void>
  warn(message: string): void
}

export interface Moment {
  achieved: Consistency
  /** Milliseconds; null where it was not frozen. */
  frozen: number | null
  /** Milliseconds; left out where the guest did not stop. */
  downtime?: number
}

/** Runs `act` while the guest's file systems are frozen, where that is wanted and works. It is thawed in any case. */
export async function quiesced(freezing: Freezing, act: () => Promise<void>): Promise<Moment> {
  const { options, guest, warn } = freezing
  const problem = freezing.agent ? await silence(guest) : 'it has no channel for a guest agent'
  await freezing.heard(problem === undefined)
  if (options.quiesce === 'never') return await unquiesced(act)
  if (problem) return await without(freezing, problem, act)
  await startWatchdog(freezing)
  const began = performance.now()
  const failure = await freeze(freezing)
  if (failure) {
    if (failure.certain) await guest.host.remove(join(freezing.stage, MARKER))
    else await thaw(guest, freezing.stage, 1).catch((error: unknown) => warn(`it may be frozen for a while: ${reasonOf(error)}`))
    return await without(freezing, failure.why, act)
  }
  let thawed = 0
  try {
    await act()
  } finally {
    thawed = await thaw(guest, freezing.stage)
  }
  const frozen = Math.round(performance.now() - began)
  if (thawed > 0) return { achieved: 'filesystem', frozen }
  const late = `its file systems had thawed by themselves before the moment was fixed, so it is crash-consistent`
  if (options.quiesce === 'require') throw new HoldfastError(`${guest.domain}: ${late}, and \`quiesce: require\` is configured`)
  warn(late)
  return { achieved: 'crash', frozen }
}

/** Thaws where we may have frozen it; says how many file systems were still frozen. */
export async function thaw(guest: Guest, stage: string, limit = THAWS): Promise<number> {
  const marker = join(stage, MARKER)
  if (!(await guest.host.stat(marker))) return 0
  for (let tries = 1; ; tries++) {
    try {
      const said = await talkingVirsh(guest, ['domfsthaw', `--domain=${guest.domain}`], { timeout: 60_000 })
      await guest.host.remove(marker)
      return Number(/Thawed (\d+)/.exec(said)?.[1] ?? 0)
    } catch (error) {
      if (refusedWith(error, NOT_RUNNING)) {
        await guest.host.remove(marker)
        return 0
      }
      if (tries >= limit) throw error
      await wait(500 * tries, undefined, guest.signal && { signal: guest.signal })
    }
  }
}

async function unquiesced(act: () => Promise<void>): Promise<Moment> {
  await act()
  return { achieved: 'crash', frozen: null }
}

async function without({ options, guest, warn }: Freezing, problem: string, act: () => Promise<void>): Promise<Moment> {
  if (options.quiesce === 'require')
    throw new HoldfastError(`${guest.domain} cannot be frozen, and \`quiesce: require\` is configured: ${problem}`, {
      hint: 'Install and start qemu-guest-agent in the guest, with a channel org.qemu.guest_agent.0; or configure quiesce: prefer.',
    })
  warn(`not frozen, so the backup is crash-consistent: ${problem}`)
  return await unquiesced(act)
}

/**
 * Why nobody answers; undefined where somebody does. Asked before anything is frozen: an agent that hangs, or that libvirt lost when
 * the guest rebooted during a backup, could not say afterwards whether it had frozen.
 */
export async function silence(guest: Guest): Promise<string | undefined> {
  try {
    await ask(guest, 'qemu-agent-command', '--timeout=5', '{"execute":"guest-ping"}')
    return undefined
  } catch (error) {
    guest.signal?.throwIfAborted()
    return reasonOf(error)
  }
}

/** Undefined where it is frozen now; else why it is not, and whether that is certain. */
async function freeze({ guest, options }: Freezing): Promise<{ why: string; certain: boolean } | undefined> {
  try {
    const said = await talkingVirsh(guest, ['domfsfreeze', `--domain=${guest.domain}`], { timeout: options.freezeLimit })
    return /Froze 0\b/.test(said) ? { why: 'the agent found no file system to freeze', certain: true } : undefined
  } catch (error) {
    guest.signal?.throwIfAborted()
    return { why: reasonOf(error), certain: refusedWith(error, NOBODY) || refusedWith(error, NOT_RUNNING) }
  }
}

/** In a session of its own, so that nothing that ends us ends it. */
async function startWatchdog({ guest, options, stage }: Freezing): Promise<void> {
  const marker = join(stage, MARKER)
  await guest.host.write(marker, '')
  const limit = String(Math.ceil(options.freezeLimit / 1000))
  const argv = ['setsid', '--fork', 'sh', '-c', WATCHDOG, 'holdfast-thaw', marker, limit, ...virshCommand(guest)] as const
  await guest.host.run(argv, { env: { DOMAIN: guest.domain, LC_ALL: 'C' } })
}
