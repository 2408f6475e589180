/** Starts a worker that is to die, and finds what it leaves running. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Orders } from './worker.ts'

export interface Doomed {
  child: ChildProcess
  /** Resolves to the signal that ended it. */
  ended: Promise<NodeJS.Signals | null>
  kill(): Promise<void>
  /** Command lines of everything that it started and that still runs, a few seconds after. */
  orphans(): Promise<string[]>
}

const MARK = 'HOLDFAST_CHAOS'

export async function startDoomed(directory: string, orders: Orders): Promise<Doomed> {
  const file = join(directory, 'orders.json')
  await writeFile(file, JSON.stringify(orders))
  const env = { ...process.env, [MARK]: directory, NODE_COMPILE_CACHE: join(dirname(directory), 'compiled') }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'worker.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  })
  const ended = once(child, 'exit').then(([, signal]) => signal)
  const said = await Promise.race([once(child.stdout, 'data'), ended])
  if (String(said).trim() !== 'ready') throw new Error(`the worker did not get ready: ${String(said)}`)
  return {
    child,
    ended,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    async orphans() {
      for (let looks = 0; looks < 100; looks++) {
        if ((await marked(directory)).length === 0) return []
        await sleep(50)
      }
      return marked(directory)
    },
  }
}

async function marked(directory: string): Promise<string[]> {
  const found = await Promise.all((await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(pid => look(pid, directory)))
  return found.filter(line => line !== undefined)
}

/** Processes come and go while we look. */
async function look(pid: string, directory: string): Promise<string | undefined> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    if (!environment.split('\0').includes(`${MARK}=${directory}`)) return undefined
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
  } catch {
    return undefined
  }
}
