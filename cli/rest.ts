/** A worker at rest: what its last work left in memory is given back. The engine by itself keeps it until there is work again. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Between two looks, ms. */
const EVERY = 3000
/** Who takes less than this between two looks does not work; bytes. */
const STILL = 500_000
/** What is held beyond the least there was; with less to gain nothing is collected, so that waiting costs no time; bytes. */
const WORTH = 4_000_000

/** Looks until it is disposed. */
export function givingBack({ every = EVERY } = {}): Disposable {
  let last = used()
  let least = 0
  const timer = setInterval(() => {
    const before = last
    last = used()
    if (Math.abs(last - before) > STILL || held() - least < WORTH) return
    collect()
    last = used()
    least = held()
  }, every).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function used(): number {
  return getHeapStatistics().used_heap_size
}

/** With what lies unused between. */
function held(): number {
  return getHeapStatistics().total_physical_size
}

/** Stands still for about a tenth of a second, which nobody at rest minds. `last-resort` also returns the pages to the system. */
function collect(): void {
  // Code is cached for the flags that are in force when the process ends: this one stays only as long as it is needed.
  setFlagsFromString('--expose-gc')
  const gc: NodeJS.GCFunction = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  gc({ type: 'major', flavor: 'last-resort', execution: 'sync' })
}
