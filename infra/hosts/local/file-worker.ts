/** The thread that does file work: what it is asked for, in order, one after the other, at once. */
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { type Deed, performHere } from './deeds.ts'
import {
  type AnswerOf,
  type Asked,
  type AskedOf,
  BEGUN,
  DONE,
  QUEUED,
  type Refusal,
  refusalOf,
  WITHDRAWN,
} from './file-messages.ts'

/** Answers wait for each other no longer than this, ms. */
const TOGETHER = 1

const states: Int32Array = workerData.states
let queue = Promise.resolve()

parentPort?.on('message', (asked: Asked[]) => {
  queue = queue.then(() => answerAll(asked))
})

// Here, with all that the work needs.
parentPort?.postMessage([])

async function answerAll(asked: readonly Asked[]): Promise<void> {
  let answers: unknown[] = []
  let since = performance.now()
  for (const one of asked) {
    answers.push(await answer(one))
    if (performance.now() - since < TOGETHER) continue
    parentPort?.postMessage(answers)
    answers = []
    since = performance.now()
  }
  if (answers.length > 0) parentPort?.postMessage(answers)
}

/** What was withdrawn is answered too: only then its slot is free. */
async function answer<D extends Deed>({ deed, slot, given }: AskedOf<D>): Promise<AnswerOf<D> | Refusal> {
  if (Atomics.compareExchange(states, slot, QUEUED, BEGUN) === WITHDRAWN) return refusalOf({ deed, slot }, 'withdrawn')
  try {
    return { deed, slot, done: await performHere(deed, ...given) }
  } catch (error) {
    return refusalOf({ deed, slot }, error)
  } finally {
    Atomics.store(states, slot, DONE)
  }
}
