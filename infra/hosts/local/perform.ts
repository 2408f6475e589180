/** Who does the file work: this thread, or under load one that does nothing else. */
import { type Perform, performHere } from './deeds.ts'
import { FileThread } from './file-thread.ts'

/** From so many at once on work is shared out; after so many of those a thread of its own is worth its start and its memory. */
const [MANY, ENOUGH] = [8, 500]

/** Without so many for this long, ms, the thread ends. */
const QUIET = 10_000

let atWork = 0
let crowded = 0
let lastCrowded = 0
let thread: FileThread | undefined

export const perform: Perform = async (deed, ...given) => {
  atWork++
  try {
    if (atWork >= MANY) noteCrowd()
    return await (thread?.perform ?? performHere)(deed, ...given)
  } finally {
    atWork--
  }
}

function noteCrowd(): void {
  const now = performance.now()
  crowded = now - lastCrowded < QUIET ? crowded + 1 : 1
  lastCrowded = now
  if (crowded === ENOUGH && !thread) thread = begin()
}

/** Undefined where the machine gives no thread: then it is done without. */
function begin(): FileThread | undefined {
  let begun: FileThread
  try {
    begun = new FileThread()
  } catch {
    return undefined
  }
  const look = setInterval(() => {
    if (performance.now() - lastCrowded < QUIET) return
    clearInterval(look)
    thread = undefined
    crowded = 0
    void begun.end()
  }, QUIET / 2).unref()
  return begun
}
