/** What is asked of a host again and again: the answer stands for a minute, so that an upgrade is noticed soon. */
import type { Host } from '../hosts/host.ts'

const LIFETIME = 60_000

/** The same question, asked once a minute of each host however often it is put. A failure is not remembered. */
export function remembered<Answer>(ask: (host: Host) => Promise<Answer>): (host: Host) => Promise<Answer> {
  const known = new WeakMap<Host, { answer: Promise<Answer>; since: number }>()
  return host => {
    const last = known.get(host)
    if (last && performance.now() - last.since < LIFETIME) return last.answer
    const asked = { answer: ask(host), since: performance.now() }
    known.set(host, asked)
    asked.answer.catch(() => {
      if (known.get(host) === asked) known.delete(host)
    })
    return asked.answer
  }
}
