/** The members of a pipe: started together, judged together. */
import type { ChildProcess } from 'node:child_process'
import { CommandFailed, HoldfastError, messageOf } from '../../errors.ts'
import { hintForText } from '../../tools/hints.ts'
import { lineListener, type Tail, tail } from '../../tools/lines.ts'
import type { Output, Stage } from '../host.ts'
import { type Ending, missing, start } from './child.ts'

export interface Member {
  readonly stage: Stage
  readonly child: ChildProcess
  readonly stdout: Uint8Array[]
  readonly stderr: Tail
  ending: Ending | undefined
  /** Ended by us, on account of another. */
  stopped: boolean
}

export interface Ends {
  /** File descriptors. */
  from: number | undefined
  to: number | undefined
  input: string | Uint8Array | undefined
}

/** Starts all in one turn of the loop: each one's stdout is handed on before Node could read from it. */
export function startAll(host: string, stages: readonly Stage[], ends: Ends): Member[] {
  const members: Member[] = []
  try {
    for (const [index, stage] of stages.entries())
      members.push(startNext(stage, members.at(-1), ends, index === stages.length - 1))
  } catch (error) {
    for (const { child } of members) child.kill('SIGKILL')
    throw new HoldfastError(`${stages[members.length]?.argv[0]} on ${host} could not be started: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
    })
  }
  feed(members[0], ends.input)
  return members
}

function startNext(stage: Stage, before: Member | undefined, { from, to, input }: Ends, last: boolean): Member {
  const stdin = before ? (before.child.stdout ?? 'ignore') : (from ?? (input === undefined ? 'ignore' : 'pipe'))
  const child = start(stage.argv, stage.env, [stdin, last ? (to ?? 'pipe') : 'pipe', 'pipe'])
  // Our copy would keep the writer from noticing that its reader died.
  before?.child.stdout?.destroy()
  return { stage, child, stdout: [], stderr: tail(), ending: undefined, stopped: false }
}

function feed(first: Member | undefined, input: Ends['input']): void {
  if (input === undefined || !first?.child.stdin) return
  // A program may end without reading all of it: whether that is a failure, its exit code says.
  first.child.stdin.on('error', () => undefined)
  first.child.stdin.end(input)
}

/** Collects what a member writes. `fail` hears what a listener throws. */
export function listen(
  { child, stage, stderr, stdout }: Member,
  onStdout: ((line: string) => void) | undefined,
  fail: (error: unknown) => void,
): void {
  child.stderr?.on('error', fail).on('data', stderr.write)
  child.stdout?.on('error', fail).on('data', (chunk: Uint8Array) => stdout.push(chunk))
  for (const [stream, onLine] of [[child.stderr, stage.onStderr] as const, [child.stdout, onStdout] as const]) {
    if (!stream || !onLine) continue
    const lines = lineListener(onLine)
    stream.on('data', (chunk: Uint8Array) => guarded(() => lines.write(chunk), fail))
    stream.on('end', () => guarded(lines.end, fail))
  }
}

function guarded(call: () => void, fail: (error: unknown) => void): void {
  try {
    call()
  } catch (error) {
    fail(error)
  }
}

/** Whether a member has ended in a way its stage does not allow. */
export function failed({ ending, stage }: Member): boolean {
  return ending !== undefined && (ending.error !== undefined || !(stage.okCodes ?? [0]).includes(ending.exitCode))
}

/** The member that is to blame: not one that we ended, nor one that only lost its reader to another's failure. */
export function firstFailed(members: readonly Member[]): Member | undefined {
  const all = members.filter(failed)
  return all.find(member => !member.stopped && !lostItsReader(member)) ?? all.findLast(member => !member.stopped) ?? all[0]
}

function lostItsReader({ ending, stderr }: Member): boolean {
  return (
    ending?.exitCode === 141 || /Broken pipe|Connection reset by peer|died with signal 13|EPIPE/.test(stderr.text().slice(-1000))
  )
}

/** What to throw for a member. */
export function failure(host: string, { stage, ending, stderr }: Member, timedOut = false): CommandFailed {
  const text = stderr.text()
  const { argv } = stage
  const outcome = {
    host,
    argv,
    exitCode: ending?.exitCode,
    signal: ending?.signal,
    timedOut,
    stderr: ending?.error?.message ?? text,
  }
  if (ending && missing(ending, text)) {
    return new CommandFailed(
      { ...outcome, exitCode: 127, stderr: 'there is no such program' },
      { hint: `Install ${argv[0]} on ${host}, or put it on the PATH of Holdfast.`, retryable: false },
    )
  }
  return new CommandFailed(outcome, { cause: ending?.error, ...hintForText(text) })
}

/** What a member that succeeded wrote. */
export function output({ ending, stdout, stderr }: Member): Output {
  const bytes = Buffer.concat(stdout)
  return {
    exitCode: ending?.exitCode ?? 0,
    bytes,
    // Made when asked for: bulk output is seldom text.
    get stdout() {
      return bytes.toString('utf8')
    },
    stderr: stderr.text(),
  }
}
