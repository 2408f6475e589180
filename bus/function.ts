/** What a function is: data and one handler. The runner in deliver.ts does everything else. */
import type { Logger } from 'pino'
import type { Concern, DataOf, EventKind, Fact, FactOf } from './event.ts'
import type { TickData } from './events.ts'

/** State that outlives a message: a KV bucket without a time limit. */
export interface Memory {
  get(key: string): Promise<{ value: string; revision: number } | undefined>
  /** False where the key is there already. */
  create(key: string, value: string): Promise<boolean>
  put(key: string, value: string): Promise<void>
  /** Only if it still has that revision; false where it does not. */
  remove(key: string, revision: number): Promise<boolean>
}

/** What a handler gets besides the data. `Tools` is what functions stand on; the bus does not look into it. */
export interface Context<Tools> {
  tools: Tools
  /** Aborted when the message is not ours any more or the worker has to go. */
  signal: AbortSignal
  /** Made when it is first asked for: ask where something is to be said. */
  log: Logger
  /** Id and stream time of the message. What is derived from "now" is derived from this, so that a second try derives the same. */
  cause: { id: string; time: Date; sequence: number /** Messages that wait behind it. */; behind: number }
  /** The type of the fact that came, `prune.done`; `tick` for a tick. */
  came: string
  /** 1 for the first try. Waiting is not trying. */
  attempt: number
  /** True where somebody had the message before: then something of an earlier try may lie about. */
  redelivered: boolean
  /** The revision of the lease: part of every temporary name, so that two owners never write to one place. */
  fence: number
  /** Bytes so far, for people who watch. Not stored. */
  progress(progress: { bytes: number; total?: number }): void
  /** The stored fact of a run by its exact subject; undefined where it was not said. */
  find<Data extends Concern>(event: EventKind<Data>, concern: Required<Concern>): Promise<Data | undefined>
  /** `run`: source → the run that holds it. `planned`: source.plan → newest slot. */
  run: Memory
  planned: Memory
}

/** A tick is not a fact: anyone may publish one, as bare JSON or as a CloudEvent. */
export const TICK = 'tick'

/** Thrown by a handler that cannot begin yet: the message comes again after `delay` ms, and that does not count as a try. */
export class NotYet extends Error {
  override name = 'NotYet'
  readonly delay: number
  constructor(reason: string, delay: number) {
    super(reason)
    this.delay = delay
  }
}

/** Thrown where some of the work is done and said, and the rest failed: its facts are published, then it counts as the error it wraps. */
export class PartlyDone extends Error {
  override name = 'PartlyDone'
  readonly facts: Fact[]
  readonly retryable: boolean
  readonly hint: string | undefined
  constructor(facts: Fact[], failure: { message: string; hint?: string | undefined; retryable: boolean; cause: unknown }) {
    super(failure.message, { cause: failure.cause })
    this.facts = facts
    this.retryable = failure.retryable
    this.hint = failure.hint
  }
}

export interface Retry {
  /** Tries in all. */
  attempts: number
  /** From this failure on `<name>.retrying` is said, where the function emits it. */
  sayFrom?: number
}

/** Data in, data out, known to the runner by name alone. */
interface Declaration<Emits extends readonly EventKind[]> {
  /** The file's name, and the first word of what it publishes. */
  name: string
  emits: Emits
  /** Facts of other steps that it looks up. Permissions follow from it. */
  reads?: readonly EventKind[]
  /** The memories it uses. Permissions follow from it. */
  remembers?: readonly ('run' | 'planned')[]
  /** At the same time, per host. Default: the configured one. */
  concurrency?: number
  retry?: Retry
}

/** Serves one host at a time; facts of other hosts are somebody else's. */
export interface HostFunction<
  Tools = unknown,
  On extends readonly EventKind[] = readonly EventKind[],
  Emits extends readonly EventKind[] = readonly EventKind[],
> extends Declaration<Emits> {
  on: On
  handle(data: DataOf<On[number]>, context: Context<Tools>): Promise<FactOf<Emits[number]> | FactOf<Emits[number]>[]>
  /** Takes back what `handle` left behind, after another outcome of this step was stored first. */
  withdraw?(data: DataOf<On[number]>, context: Context<Tools>): Promise<void>
}

/** Takes ticks, once a cell. */
export interface TickFunction<Tools = unknown, Emits extends readonly EventKind[] = readonly EventKind[]>
  extends Declaration<Emits> {
  on: typeof TICK
  handle(tick: Tick, context: Context<Tools>): Promise<FactOf<Emits[number]>[]>
}

/** A tick as the functions see it: understood, or why not. */
export type Tick = { data: TickData; clock: boolean; error?: undefined } | { error: string; input: string }

export type AnyFunction<Tools> = HostFunction<Tools> | TickFunction<Tools>
