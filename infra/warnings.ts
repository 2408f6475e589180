/** Collects what people should know, and makes of it what a fact can carry. */

export interface WarningList {
  add(message: string): void
  all(): string[]
  summary(): { count: number; first: string[] }
}

const FIRST = 20
/** Bytes: twenty of them, twice, have to fit into a fact. */
const LONGEST = 500

/** Begins with what earlier steps warned about, of which a fact names the first ones only. */
export function warningList(earlier: { count: number; first: readonly string[] } = { count: 0, first: [] }): WarningList {
  const all = new Set(earlier.first)
  const unnamed = Math.max(0, earlier.count - all.size)
  return {
    add(message) {
      all.add(message)
    },
    all: () => [...all],
    summary: () => ({ count: all.size + unnamed, first: [...all].slice(0, FIRST).map(shorten) }),
  }
}

function shorten(message: string): string {
  const bytes = Buffer.from(message)
  return bytes.length > LONGEST
    ? `${bytes
        .subarray(0, LONGEST)
        .toString('utf8')
        .replace(/\uFFFD$/, '')}…`
    : message
}
