/** What tests ask of the agent inside a guest. */
import { z } from 'zod'
import type { Libvirt } from './libvirt.ts'
import { until } from './until.ts'

export interface Executed {
  exitCode: number
  stdout: string
  stderr: string
}

const Started = z.object({ pid: z.number() })
const text = z
  .base64()
  .default('')
  .transform(data => Buffer.from(data, 'base64').toString())
const Status = z.object({
  exited: z.boolean(),
  exitcode: z.number().optional(),
  signal: z.number().optional(),
  'out-data': text,
  'err-data': text,
})

/** One command of the agent's protocol and what it returned. Rejects where the agent refuses or is not there. */
export async function askAgent(libvirt: Libvirt, name: string, execute: string, given: object = {}): Promise<unknown> {
  const answer = await libvirt.virsh('qemu-agent-command', name, '--timeout', '20', JSON.stringify({ execute, arguments: given }))
  return z.object({ return: z.unknown() }).parse(JSON.parse(answer)).return
}

/** Runs a program in the guest to its end. The agent refuses while the guest is frozen. */
export async function execute(libvirt: Libvirt, name: string, argv: readonly string[], seconds = 60): Promise<Executed> {
  const [path, ...arg] = argv
  const given = { path, arg, 'capture-output': true }
  const { pid } = Started.parse(await askAgent(libvirt, name, 'guest-exec', given))
  const ended = await until(
    `${argv.join(' ')} in ${name}`,
    async () => {
      const status = Status.parse(await askAgent(libvirt, name, 'guest-exec-status', { pid }))
      return status.exited && status
    },
    { seconds },
  )
  return { exitCode: ended.exitcode ?? 128 + (ended.signal ?? 0), stdout: ended['out-data'], stderr: ended['err-data'] }
}
