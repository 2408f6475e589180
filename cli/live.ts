/** One line at the bottom of a terminal that changes in place; nothing elsewhere. */
import { stripVTControlCharacters } from 'node:util'
import type { Advance } from '../bus/visitor.ts'
import { size, span } from './print.ts'

export interface Live {
  /** What a step says of how far it has come. */
  show(advance: Advance): void
  /** Takes the line away, so that something else can be printed. */
  clear(): void
}

export function openLive(stream: NodeJS.WriteStream = process.stderr): Live {
  const steps = new Map<string, { advance: Advance; line: string }>()
  const enabled = stream.isTTY === true
  const clear = () => enabled && stream.write('\r\x1b[K')
  return {
    show(advance) {
      if (!enabled) return
      const before = steps.get(advance.source ?? '')?.advance
      steps.set(advance.source ?? '', { advance, line: advanceText(advance, before) })
      const line = [...steps.values()].map(({ line }) => line).join('   ')
      stream.write(`\r\x1b[K${stripVTControlCharacters(line).slice(0, Math.max(1, (stream.columns || 80) - 1))}`)
    },
    clear() {
      steps.clear()
      clear()
    },
  }
}

/** `notes  export  120 MB of 412 MB  29 %  31 MB/s  9 s left`. How fast follows from what was said before: a step may begin with other work. */
export function advanceText(advance: Advance, before?: Advance): string {
  const { source, step, bytes, total } = advance
  const rate = rateOf(advance, before)
  const parts = [source ?? '', step, total ? `${size(bytes)} of ${size(total)}  ${percent(bytes, total)}` : size(bytes)]
  if (rate > 0) parts.push(`${size(Math.round(rate))}/s`)
  if (rate > 0 && total && total > bytes) parts.push(`${span((total - bytes) / rate)} left`)
  return parts.join('  ')
}

/** Bytes a second; 0 where it is not known yet. */
function rateOf({ step, bytes, ms }: Advance, before: Advance | undefined): number {
  if (!before || before.step !== step || ms <= before.ms || bytes < before.bytes) return 0
  return ((bytes - before.bytes) / (ms - before.ms)) * 1000
}

/** What is expected is a guess: more than all of it is still not the end. */
function percent(bytes: number, total: number): string {
  return `${Math.min(99, Math.floor((bytes / total) * 100))} %`
}
