/** The log: one JSON object a line, readable on a terminal, without secrets. */
import { createRequire } from 'node:module'
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type Pretty from 'pino-pretty'

/** The keys a line may carry besides its message and `err`. */
export interface LogKeys {
  /** The backup's id. */
  backup?: string
  source?: string
  host?: string
  /** The function at work. */
  step?: string
  attempt?: number
  /** How long it took. */
  ms?: number
}

export interface LogOptions {
  /** `trace debug info warn error fatal silent`. Default: info. */
  level?: string
  /** For eyes instead of programs. Default: whether stderr is a terminal. */
  pretty?: boolean
  /** Default: stderr; stdout belongs to what commands answer. */
  destination?: DestinationStream
}

const secrets = ['token', 'password', 'passphrase', 'secret', 'authorization']
const CENSORED = '[secret]'

/** Makes a logger. Lines are written before the call returns, so that the last words of a dying process are not lost. */
export function createLogger(options: LogOptions = {}): Logger {
  const { level = 'info', destination: stream = destination({ fd: 2, sync: true }) } = options
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: secrets.flatMap(key => [key, `*.${key}`, `*.*.${key}`, `*.*.*.${key}`]), censor: CENSORED },
      hooks: { streamWrite: withoutCredentials },
    },
    (options.pretty ?? process.stderr.isTTY) ? forEyes(stream) : stream,
  )
}

/** `nats://token@host` → `nats://[secret]@host`, wherever in a text it stands. */
export function withoutCredentials(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/"]+@/gi, `$1${CENSORED}@`)
}

/** Loaded only where somebody looks: a worker without a terminal does not carry it. */
function forEyes(stream: DestinationStream): DestinationStream {
  const pretty: typeof Pretty = createRequire(import.meta.url)('pino-pretty')
  return pretty({ destination: stream, translateTime: 'SYS:HH:MM:ss', singleLine: true, sync: true })
}
