/** Ctrl-C and SIGTERM as an abort signal. */
import { Interrupted } from './errors.ts'

export interface Interruption extends Disposable {
  readonly signal: AbortSignal
}

/** Aborts at the first of them, unless `first` says what it does instead; the second one always aborts. */
export function interruptible(first?: (abort: () => void) => void): Interruption {
  const controller = new AbortController()
  const abort = () => controller.abort(new Interrupted('interrupted'))
  let times = 0
  const listener = () => {
    times++
    if (times === 1 && first) first(abort)
    else abort()
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
