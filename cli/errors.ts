/** Where errors end: one block of what, why and what now, and the exit code that goes with it. */
import { CommanderError } from 'commander'
import { ConfigurationInvalid } from '../infra/config.ts'
import { HoldfastError, InvalidInput, messageOf } from '../infra/errors.ts'
import { withoutCredentials } from '../infra/log.ts'

/** Documented in docs/cli.md and in --help. */
export const exitCodes = { done: 0, failed: 1, usage: 2, notRunning: 3, interrupted: 130 } as const

/** A command needs a running instance, and there is none. */
export class NotRunning extends HoldfastError {
  override name = 'NotRunning'
}

/** The person said no, or pressed Ctrl-C. */
export class Interrupted extends HoldfastError {
  override name = 'Interrupted'
}

/** Says what went wrong on stderr and answers with the exit code. */
export function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  process.stderr.write(`${withoutCredentials(block(error))}\n`)
  if (process.env.HOLDFAST_DEBUG === '1') console.error(error)
  return codeOf(error)
}

/** What failed; why, where a cause says more; what to do now. */
export function block(error: unknown): string {
  const message = error instanceof ConfigurationInvalid ? problemsOf(error) : messageOf(error)
  return [`holdfast: ${message}`, ...causesOf(error).map(cause => `  because ${cause}`), `  ${hintOf(error)}`]
    .join('\n')
    .trimEnd()
}

function codeOf(error: unknown): number {
  if (error instanceof NotRunning) return exitCodes.notRunning
  if (isInterruption(error)) return exitCodes.interrupted
  if (error instanceof InvalidInput || error instanceof ConfigurationInvalid) return exitCodes.usage
  return exitCodes.failed
}

/** Ctrl-C at a question, too. */
function isInterruption(error: unknown): boolean {
  return error instanceof Interrupted || (error instanceof Error && ['ExitPromptError', 'AbortPromptError'].includes(error.name))
}

function problemsOf({ problems, message }: ConfigurationInvalid): string {
  const [first] = problems
  if (!first || problems.length === 1) return message
  return [`${problems.length} problems in ${first.file}`, ...message.split('\n').map(line => `  ${line}`)].join('\n')
}

function hintOf(error: unknown): string {
  if (error instanceof Error && 'hint' in error) return typeof error.hint === 'string' ? error.hint : ''
  if (isInterruption(error)) return ''
  return 'This was not foreseen. HOLDFAST_DEBUG=1 shows where it happened.'
}

/** Most messages repeat their cause already. */
function causesOf(error: unknown): string[] {
  if (error instanceof ConfigurationInvalid) return []
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error) || messageOf(error).includes(cause.message)) return []
  return [cause.message.split('\n')[0] ?? '', ...causesOf(cause)]
}
