/** Mount and PID namespaces in which one temporary directory lies over libvirt's own, until their first process ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Process, processesInside } from './processes.ts'

export interface Namespaces {
  /** What runs in there and is called so, with pids as seen from here. */
  running(program: string): Promise<Process[]>
  /** Starts a program in there; what it says is appended to the log. */
  spawn(argv: readonly string[], log: string): Promise<ChildProcess>
  /** Kills the first process, and so everything inside. May be called twice. */
  end(): Promise<void>
}

/** They end with this process, by their stdin and by the kernel. */
export async function openNamespaces(home: string): Promise<Namespaces> {
  const { holder, pid } = await hold(home)
  return {
    async running(program) {
      const all = await processesInside(pid)
      return all.filter(({ argv: [first = ''] }) => first.split('/').at(-1)?.startsWith(program))
    },
    spawn: (argv, log) => enter(pid, argv, log),
    async end() {
      if (!isRunning(holder)) return
      const gone = once(holder, 'exit')
      process.kill(pid, 'SIGKILL')
      await gone
    },
  }
}

/** Whether a process that was started has not ended. */
export function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

async function hold(home: string): Promise<{ holder: ChildProcess; pid: number }> {
  const script = join(import.meta.dirname, 'libvirt-inside.sh')
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child=KILL', '--propagation', 'slave']
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare, 'bash', script, home], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  holder.stderr.on('data', chunk => {
    said += String(chunk)
  })
  for await (const line of createInterface({ input: holder.stdout })) return { holder, pid: Number(line) }
  throw new Error(`no namespaces for libvirt (this needs root and the right to mount): ${said.trim()}`)
}

async function enter(pid: number, argv: readonly string[], log: string): Promise<ChildProcess> {
  const file = await open(log, 'a')
  const child = spawn('nsenter', ['--target', String(pid), '--mount', '--pid', '--', ...argv], {
    stdio: ['ignore', file.fd, file.fd],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  })
  await once(child, 'spawn')
  await file.close()
  return child
}
