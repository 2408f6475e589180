/** Ctrl-C and SIGTERM as an abort signal. */
import { Interrupted } from './errors.ts'

export interface Interruption extends Disposable {
  readonly signal: AbortSignal
}

export interface InterruptionOptions {
  /** What the person then reads. */
  message?: string
  /** What the first one does. Default: abort. */
  first?(abort: () => void): void
  /** What every later one does. Default: abort. */
  again?(abort: () => void): void
}

/** A terminal sends Ctrl-C to npm and to us, and npm passes its own on: what comes this soon is the same key, ms. */
const SAME_KEY = 300

/** Listens until it is disposed. */
export function interruptible({ message = 'interrupted', first = press, again = press }: InterruptionOptions = {}): Interruption {
  const controller = new AbortController()
  const abort = () => controller.abort(new Interrupted(message))
  let last = Number.NEGATIVE_INFINITY
  const listener = () => {
    const since = performance.now() - last
    if (since < SAME_KEY) return
    const deed = Number.isFinite(last) ? again : first
    last = performance.now()
    deed(abort)
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.on(name, listener)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, listener)
    },
  }
}

function press(abort: () => void): void {
  abort()
}
