/**
 * A thread of our own for file work. Handing each call to the threads of the runtime costs a chain at work half of its time; a thread
 * that is asked for whole deeds, many at once, costs a third of that. It does one thing after the other, so a file system that hangs
 * would hold up everybody: where nothing comes for long, what it has not begun is withdrawn and done here.
 */
import { Worker } from 'node:worker_threads'
import { HoldfastError } from '../../errors.ts'
import { FILE_THREAD } from './calls.ts'
import { type Deed, type Done, type Perform, performHere } from './deeds.ts'
import { type Answer, type AnswerOf, type AskedOf, DONE, errorOf, QUEUED, type Refusal, WITHDRAWN } from './file-messages.ts'

interface Waiting<D extends Deed> {
  resolve(done: Done<D> | Promise<Done<D>>): void
  reject(error: unknown): void
  /** Does it in this thread instead. */
  redo(): void
}

type Table = { [D in Deed]: Map<number, Waiting<D>> }

/** Deeds that may wait for the thread at once. */
const SLOTS = 1024

/** What may simply be done again. */
const READS = new Set<string>(['read', 'readIfThere', 'list', 'stat', 'space'] satisfies Deed[])

/** Looked at twice in this time, ms, the thread has to have answered by one look what it was asked for before the last. */
const PATIENCE = 10_000

export class FileThread {
  readonly #states = new Int32Array(new SharedArrayBuffer(4 * SLOTS))
  readonly #free = Array.from({ length: SLOTS }, (_, slot) => slot)
  readonly #waiting: Table = {
    read: new Map(),
    readIfThere: new Map(),
    write: new Map(),
    list: new Map(),
    stat: new Map(),
    makeDirectory: new Map(),
    makeOneDirectory: new Map(),
    rename: new Map(),
    remove: new Map(),
    space: new Map(),
  }
  readonly #worker: Worker
  readonly #watch: NodeJS.Timeout
  #asked: AskedOf<Deed>[] = []
  /** How many deeds it was asked for so far, by the last look, and how many are answered: answers come in order. */
  #count = 0
  #countBefore = 0
  #answers = 0
  #stuck = false
  #ready = false
  #ending = false
  #gone = false

  constructor({ patience = PATIENCE }: { patience?: number } = {}) {
    const entry = new URL(import.meta.url.endsWith('.ts') ? './file-worker.ts' : './file-worker.js', import.meta.url)
    this.#worker = new Worker(entry, { workerData: { role: FILE_THREAD, states: this.#states }, execArgv: [] })
    this.#worker.unref()
    // It says nothing once it is there, and then answers.
    this.#worker.on('message', (answers: (Answer | Refusal)[]) => {
      this.#ready = true
      for (const answer of answers) this.#hear(answer)
    })
    this.#worker.on('error', error => this.#ended(error))
    this.#worker.on('exit', () => this.#ended(undefined))
    // Answers that have come are heard first.
    this.#watch = setInterval(() => setImmediate(() => this.#look()), patience / 2).unref()
  }

  /** Whether it may be asked: it runs, answers, and has room. */
  get open(): boolean {
    return this.#ready && !this.#ending && !this.#stuck && this.#free.length > 0
  }

  readonly perform: Perform = (deed, ...given) => {
    const slot = this.open ? this.#free.pop() : undefined
    if (slot === undefined) return performHere(deed, ...given)
    return new Promise((resolve, reject) => {
      const redo = () => resolve(performHere(deed, ...given))
      this.#expect(deed, slot, { resolve, reject, redo })
      this.#send({ deed, slot, given })
    })
  }

  /** Ends it once all that it was asked for is answered. */
  async end(): Promise<void> {
    this.#ending = true
    while (this.#answers < this.#count && !this.#stuck && !this.#gone) await new Promise(resolve => setTimeout(resolve, 50))
    await this.abandon()
  }

  /** Ends it at once; who still waits hears of it. */
  async abandon(): Promise<void> {
    this.#ending = true
    clearInterval(this.#watch)
    await this.#worker.terminate()
  }

  #expect<D extends Deed>(deed: D, slot: number, waiting: Waiting<D>): void {
    // Nothing else may keep the process alive while somebody waits for this.
    if (this.#free.length === SLOTS - 1) this.#worker.ref()
    this.#count++
    Atomics.store(this.#states, slot, QUEUED)
    this.#waiting[deed].set(slot, waiting)
  }

  /** All that is asked for in one turn of the event loop goes in one piece. */
  #send(asked: AskedOf<Deed>): void {
    if (this.#asked.length === 0)
      setImmediate(() => {
        const asked = this.#asked
        this.#asked = []
        this.#worker.postMessage(asked)
      })
    this.#asked.push(asked)
  }

  #hear(answer: Answer | Refusal): void {
    this.#answers++
    if ('done' in answer) this.#settle(answer)
    else this.#take(answer.deed, answer.slot)?.reject(errorOf(answer))
    this.#free.push(answer.slot)
    if (this.#free.length === SLOTS) this.#worker.unref()
  }

  #settle<D extends Deed>({ deed, slot, done }: AnswerOf<D>): void {
    this.#take(deed, slot)?.resolve(done)
  }

  #take<D extends Deed>(deed: D, slot: number): Waiting<D> | undefined {
    const waiting = this.#waiting[deed].get(slot)
    this.#waiting[deed].delete(slot)
    return waiting
  }

  #look(): void {
    const late = this.#answers < this.#countBefore
    this.#countBefore = this.#count
    if (late && !this.#stuck) this.#withdraw()
    this.#stuck = late
  }

  /** What is begun stays: nobody knows how far it came. Of what was done since its last answers the answer is held up. */
  #withdraw(): void {
    for (const [deed, table] of Object.entries(this.#waiting))
      for (const [slot, waiting] of table) {
        const state = Atomics.compareExchange(this.#states, slot, QUEUED, WITHDRAWN)
        if (state === QUEUED || (state === DONE && READS.has(deed))) waiting.redo()
        else if (state === DONE) waiting.reject(new HoldfastError('its answer is held up by another file system, which hangs'))
        else continue
        table.delete(slot)
      }
  }

  #ended(cause: Error | undefined): void {
    clearInterval(this.#watch)
    this.#gone = true
    this.#ending = true
    for (const table of Object.values(this.#waiting)) {
      for (const [slot, { redo, reject }] of table)
        if (Atomics.load(this.#states, slot) === QUEUED) redo()
        else reject(new HoldfastError('the thread for file work ended', { cause }))
      table.clear()
    }
  }
}
