/** Gives functions their types: what they stand on, which facts they take, and which they may return. */
import type { EventKind } from '../bus/event.ts'
import type { Context, HostFunction, TickFunction } from '../bus/function.ts'
import type { Tools } from '../infra/tools.ts'

export type FunctionContext = Context<Tools>

/** Returning a fact that is not in `emits`, or reading a field that is not yet on the backup, does not compile. */
export function defineFunction<const On extends readonly EventKind[], const Emits extends readonly EventKind[]>(
  declaration: HostFunction<Tools, On, Emits>,
): HostFunction<Tools, On, Emits> {
  return declaration
}

/** The same for a function that takes ticks. */
export function defineTickFunction<const Emits extends readonly EventKind[]>(
  declaration: TickFunction<Tools, Emits>,
): TickFunction<Tools, Emits> {
  return declaration
}
