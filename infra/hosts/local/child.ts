/** One program on this machine: how it is started, how it ends, and how it is ended. */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { constants as system } from 'node:os'
import { delimiter, join } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Argv } from '../host.ts'

const GRACE = 5000
/** How long the pipes of an ended program may stay open in the hands of what it left running. */
const LINGER = 1000

/** How a program ended. A signal counts as exit code 128 + its number, as in a shell. */
export interface Ending {
  exitCode: number
  signal: NodeJS.Signals | undefined
  /** Why it could not be started. */
  error: Error | undefined
}

/**
 * Starts a program as the leader of a process group of its own. Linux ends it when the caller's process dies, however that
 * dies, where setpriv is there to ask for it.
 */
export function start(argv: Argv, env: Record<string, string> | undefined, stdio: StdioOptions): ChildProcess {
  const [program, ...rest] = setpriv ? [setpriv, '--pdeathsig', 'KILL', '--', ...argv] : argv
  // Output that is parsed must not change with the machine's language and time zone.
  return spawn(program ?? argv[0], rest, { stdio, detached: true, env: { ...process.env, LC_ALL: 'C', TZ: 'UTC', ...env } })
}

/** Resolves when the program has ended and all it wrote has been read. */
export function ended(child: ChildProcess): Promise<Ending> {
  letGoOfWhatItLeft(child)
  return new Promise(resolve => {
    child.once('error', error => resolve({ exitCode: 127, signal: undefined, error }))
    child.once('close', (code, signal) =>
      resolve({ exitCode: code ?? 128 + (signal ? system.signals[signal] : 0), signal: signal ?? undefined, error: undefined }),
    )
  })
}

/** Whether the program was not found, as the system or setpriv tells it. */
export function missing({ error, exitCode }: Ending, stderr: string): boolean {
  return error
    ? codeOf(error) === 'ENOENT'
    : exitCode === 127 && /^setpriv: failed to execute .*: No such file or directory/s.test(stderr)
}

/** Ends the groups of programs: asks, then kills what is left after five seconds. `finish` once they have ended. */
export function stop(children: readonly ChildProcess[]): { finish(): void } {
  for (const child of children) signalGroup(child, 'SIGTERM')
  const kill = () => {
    for (const child of children) signalGroup(child, 'SIGKILL')
  }
  const timer = setTimeout(kill, GRACE)
  return {
    finish() {
      clearTimeout(timer)
      kill()
    },
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    // Gone already, or another user's now (sudo): then only the closing of its pipes can reach it.
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error
  }
}

/** A daemon that inherited our pipes would keep them open for ever: they are closed once a silent second has passed. */
function letGoOfWhatItLeft(child: ChildProcess): void {
  const streams = [child.stdout, child.stderr].filter(stream => stream !== null).filter(stream => !stream.destroyed)
  let read = 0
  for (const stream of streams) stream.prependListener('data', (chunk: Uint8Array) => (read += chunk.length))
  child.once('exit', () => {
    let timer: NodeJS.Timeout
    const look = () => {
      const before = read
      // After the loop has polled once more: what lies in the pipe has been read by then.
      setImmediate(() => {
        if (read !== before) timer = setTimeout(look, LINGER)
        else for (const stream of streams) stream.destroy()
      })
    }
    timer = setTimeout(look, LINGER)
    child.once('close', () => clearTimeout(timer))
  })
}

/** Looked up once: the path of a setpriv that knows --pdeathsig (not every one does). */
const setpriv = process.platform === 'linux' ? knownSetpriv() : undefined

function knownSetpriv(): string | undefined {
  const places = (process.env.PATH ?? '').split(delimiter).map(directory => join(directory, 'setpriv'))
  return places.find(path => spawnSync(path, ['--pdeathsig', 'KILL', '--', 'true']).status === 0)
}
