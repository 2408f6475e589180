/** How many handlers of one function run at once on one host. */

export interface Slots {
  /** Resolves when a slot may be free; nothing is reserved. */
  room(): Promise<void>
  /** Takes a slot, waiting at most `limit` ms; undefined where none came free. */
  take(limit: number): Promise<(() => void) | undefined>
  /** Resolves when every slot is free. */
  idle(): Promise<void>
}

export function openSlots(size: number): Slots {
  let used = 0
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const resolve of [...waiting]) resolve()
  }
  const change = (limit?: number) =>
    new Promise<void>(resolve => {
      const timer = limit === undefined ? undefined : setTimeout(done, limit)
      function done() {
        clearTimeout(timer)
        waiting.delete(done)
        resolve()
      }
      waiting.add(done)
    })
  const give = () => {
    used--
    wake()
  }
  return {
    async room() {
      while (used >= size) await change()
    },
    async take(limit) {
      const until = Date.now() + limit
      while (used >= size && Date.now() < until) await change(until - Date.now())
      if (used >= size) return undefined
      used++
      let given = false
      return () => {
        if (!given) give()
        given = true
      }
    },
    async idle() {
      while (used > 0) await change()
    },
  }
}
