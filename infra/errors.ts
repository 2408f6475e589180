/** Errors that say what was tried, why it failed and what a person can do now. */

export interface ErrorDetails {
  /** What to do now, in one or two sentences. */
  hint?: string
  /** False where trying again cannot help. Unknown errors are retried. */
  retryable?: boolean
  cause?: unknown
}

/** An error Holdfast foresaw. The bus reads `retryable` and `hint` from any error that carries them. */
export class HoldfastError extends Error {
  override name = 'HoldfastError'
  readonly hint: string | undefined
  readonly retryable: boolean

  constructor(message: string, { hint, retryable = true, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.hint = hint
    this.retryable = retryable
  }
}

/** A mistake of the asker: it stays one however often it is tried. */
export class InvalidInput extends HoldfastError {
  override name = 'InvalidInput'
  constructor(message: string, details: Omit<ErrorDetails, 'retryable'> = {}) {
    super(message, { ...details, retryable: false })
  }
}

/** A backup that is not what its manifest says, or cannot be restored. Trying again cannot mend it. */
export class VerificationFailed extends HoldfastError {
  override name = 'VerificationFailed'
  constructor(message: string, details: Omit<ErrorDetails, 'retryable'> = {}) {
    super(message, { ...details, retryable: false })
  }
}

export interface CommandOutcome {
  host: string
  argv: readonly string[]
  exitCode: number | undefined
  /** The signal's name where the command was killed. */
  signal?: string | undefined
  timedOut?: boolean
  /** The last lines of what the command wrote to stderr. */
  stderr: string
}

/** A command that could not be started, was killed, or ended with an exit code nobody allowed. */
export class CommandFailed extends HoldfastError {
  override name = 'CommandFailed'
  readonly outcome: CommandOutcome

  constructor(outcome: CommandOutcome, details: ErrorDetails = {}) {
    super(commandMessage(outcome), details)
    this.outcome = outcome
  }
}

/** The message of an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The system's error code (`ENOENT`) of an unknown thrown value. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function commandMessage({ host, argv, exitCode, signal, timedOut, stderr }: CommandOutcome): string {
  const end = timedOut ? 'ran out of time' : signal ? `was ended by ${signal}` : `failed with exit code ${exitCode}`
  const lines = stderr.trim().split('\n').slice(-5).join('\n')
  return `${argv[0] ?? 'command'} on ${host} ${end}${lines ? `: ${lines}` : ''}`
}
