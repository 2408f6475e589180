/** Processes as seen from outside their PID namespace. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface Process {
  pid: number
  argv: string[]
}

/** Those that share a PID namespace with the process given, itself included; pids as seen from here. */
export async function processesInside(pid: number): Promise<Process[]> {
  const wanted = await namespaceOf(String(pid))
  if (wanted === undefined) return []
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const found = await Promise.all(pids.map(async name => ((await namespaceOf(name)) === wanted ? processOf(name) : undefined)))
  return found.filter(process => process !== undefined)
}

async function namespaceOf(pid: string): Promise<string | undefined> {
  return readlink(join('/proc', pid, 'ns/pid')).catch(gone)
}

async function processOf(pid: string): Promise<Process | undefined> {
  const line = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(gone)
  return line ? { pid: Number(pid), argv: line.split('\0').slice(0, -1) } : undefined
}

/** Processes come and go while one looks, and some do not let even root look. */
function gone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && /^(ENOENT|ESRCH|EACCES)$/.test(String(error.code))) return undefined
  throw error
}
