/**
 * A process that waits for the store's lock and then *is* the server. The kernel hands the lock on, so that whoever waits
 * takes over the moment the server before it dies; and the kernel ends the process when the one that started it dies.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { BusNotStarted, findProgram, type Home, isAlive } from './home.ts'

export interface Candidate {
  /** The server's, once it has the lock. */
  readonly pid: number
  /** Resolves when it is gone, to what is known of why. */
  readonly ended: Promise<string>
  /** SIGTERM, and waits. The server's exit code 1 after it is normal. */
  stop(): Promise<void>
}

/** How the process is tied to us: by the kernel, or where that is not offered, by a pipe whose end means that we died. */
export type Tie = 'kernel' | 'pipe'

export async function launch(home: Home, name: string, tie?: Tie): Promise<Candidate> {
  const server = [home.program, '-c', home.configFile, '--name', name]
  const flock = await findProgram('flock')
  const kernel = tie === undefined ? await offersKernelTie(flock) : tie === 'kernel'
  const child = kernel ? spawnTied(flock, home.lockFile, server) : spawnPiped(flock, home.lockFile, server)
  const ended = endOf(child)
  const pid = await Promise.race([kernel ? child.pid : readPid(child), ended.then(() => undefined)])
  if (pid === undefined)
    throw new BusNotStarted(`bus: ${await ended}`, 'Start nats-server by hand with the same configuration to see why.')
  return {
    pid,
    ended,
    async stop() {
      if (isAlive(pid)) process.kill(pid, 'SIGTERM')
      await ended
    },
  }
}

/** In a session of its own: Ctrl-C on a terminal must not end the server before the worker has put its work away. */
const ALONE = { detached: true }

function spawnTied(flock: string, lock: string, server: string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'TERM', flock, '--no-fork', lock, ...server], {
    ...ALONE,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** Says the server's process id, passes SIGTERM on at the end of stdin, and holds the lock nowhere but in the server. */
const PIPED = `
exec 3<&0 9>>"$2"
( "$1" 9 && shift 2 && exec "$@" ) 3<&- &
server=$!
exec 9>&-
echo $server
( cat <&3 >/dev/null; kill -TERM $server ) >/dev/null 2>&1 &
watch=$!
wait $server
code=$?
kill $watch
exit $code
`

function spawnPiped(flock: string, lock: string, server: string[]): ChildProcess {
  return spawn('/bin/sh', ['-c', PIPED, 'sh', flock, lock, ...server], { ...ALONE, stdio: ['pipe', 'pipe', 'pipe'] })
}

async function readPid(child: ChildProcess): Promise<number | undefined> {
  if (!child.stdout) return undefined
  const [chunk] = await once(child.stdout, 'data')
  return Number(String(chunk)) || undefined
}

/** The rest of stderr may come after the exit; a grandchild may keep it open, so it is not waited for long. */
async function endOf(child: ChildProcess): Promise<string> {
  let said = ''
  child.stderr?.on('data', chunk => {
    said = (said + String(chunk)).slice(-2048)
  })
  const closed = once(child, 'close')
  closed.catch(() => undefined)
  try {
    const [code, signal] = await once(child, 'exit')
    await Promise.race([closed, sleep(50)])
    return `nats-server ended with ${signal ?? `exit code ${code}`}${said ? `: ${said.trim()}` : ''}`
  } catch (error) {
    return `nats-server could not be started: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Small systems have a setpriv or a flock that knows less. */
async function offersKernelTie(flock: string): Promise<boolean> {
  return await promisify(execFile)('setpriv', ['--pdeathsig', 'TERM', flock, '--no-fork', '--version']).then(
    () => true,
    () => false,
  )
}
