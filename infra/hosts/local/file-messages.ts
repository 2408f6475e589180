/** What is said between a file thread and who asks it. */
import { codeOf, HoldfastError, InvalidInput, messageOf } from '../../errors.ts'
import type { Deed, Done, Given } from './deeds.ts'

/** The slot holds what became of it: one of these. Who asked may withdraw what is not begun. */
export const [QUEUED, BEGUN, DONE, WITHDRAWN] = [0, 1, 2, 3]

export interface AskedOf<D extends Deed> {
  deed: D
  slot: number
  given: Given<D>
}
export type Asked = { [D in Deed]: AskedOf<D> }[Deed]

export interface AnswerOf<D extends Deed> {
  deed: D
  slot: number
  done: Done<D>
}
export type Answer = { [D in Deed]: AnswerOf<D> }[Deed]

/** Instead of an answer; an error loses all but its text on its way to another thread. */
export interface Refusal {
  deed: Deed
  slot: number
  name: string
  message: string
  code: string | undefined
  hint: string | undefined
}

export function refusalOf({ deed, slot }: Pick<Refusal, 'deed' | 'slot'>, error: unknown): Refusal {
  const { name, hint } = error instanceof HoldfastError ? error : { name: 'Error', hint: undefined }
  return { deed, slot, name, message: messageOf(error), code: codeOf(error), hint }
}

export function errorOf({ name, message, code, hint }: Refusal): Error {
  const details = hint === undefined ? {} : { hint }
  if (name === 'InvalidInput') return new InvalidInput(message, details)
  if (name === 'HoldfastError') return new HoldfastError(message, details)
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}
