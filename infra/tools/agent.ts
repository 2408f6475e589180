/** The guest agent: QEMU's own program inside a guest. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { HoldfastError } from '../errors.ts'
import { ask, type Guest } from './guest.ts'
import { virshUnless } from './virsh.ts'

const SILENT = /agent is not (connected|available|responding)|Guest agent|agent is not configured/

/** Whether it answers. A hung one must not hold us: it gets a few seconds. */
export async function agentAnswers(guest: Guest): Promise<boolean> {
  const ping = ['qemu-agent-command', `--domain=${guest.domain}`, '--timeout=3', '{"execute":"guest-ping"}']
  return (await virshUnless(guest, SILENT, ping)) !== undefined
}

const Started = z.object({ return: z.object({ pid: z.number() }) })
const text = z
  .base64()
  .default('')
  .transform(data => Buffer.from(data, 'base64').toString('utf8'))
const Status = z.object({
  return: z.object({ exited: z.boolean(), exitcode: z.number().optional(), 'out-data': text, 'err-data': text }),
})

export interface Executed {
  /** Undefined where a signal ended it. */
  exitCode: number | undefined
  stdout: string
  stderr: string
}

const LOOK_EVERY = 250

/** Runs a command in the guest, without a shell. Rejects where it has not ended within the limit, ms; there it goes on. */
export async function runInGuest(guest: Guest, [path, ...arg]: readonly string[], limit: number): Promise<Executed> {
  const until = performance.now() + limit
  const { pid } = Started.parse(await command(guest, 'guest-exec', { path, arg, 'capture-output': true })).return
  for (;;) {
    const status = Status.parse(await command(guest, 'guest-exec-status', { pid })).return
    if (status.exited) return { exitCode: status.exitcode, stdout: status['out-data'], stderr: status['err-data'] }
    if (performance.now() > until)
      throw new HoldfastError(`${path} in ${guest.domain} has not ended within ${Math.round(limit / 1000)} s`, {
        retryable: false,
      })
    await sleep(LOOK_EVERY, undefined, guest.signal ? { signal: guest.signal } : {})
  }
}

async function command(guest: Guest, execute: string, given: object): Promise<unknown> {
  const text = JSON.stringify({ execute, arguments: given })
  return JSON.parse(await ask(guest, 'qemu-agent-command', '--timeout=10', text))
}
