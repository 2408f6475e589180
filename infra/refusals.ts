/** Why a backup that was asked for is not planned. */
import { InvalidInput } from './errors.ts'

export function overlap(source: string, holder: string): InvalidInput {
  return new InvalidInput(`${source} is being backed up: ${holder} has not ended`, {
    hint: 'Ask again when it is done: holdfast status',
  })
}

export function noSuchPlan(names: readonly string[], known: readonly string[]): InvalidInput {
  return new InvalidInput(`there is no plan ${names.map(name => JSON.stringify(name)).join(', ')} in the configuration`, {
    hint: `There is: ${known.join(', ') || 'none'}.`,
  })
}

export function noSuchMode(mode: string, kind: string, known: readonly string[]): InvalidInput {
  return new InvalidInput(`a source of the kind ${kind} has no mode ${JSON.stringify(mode)}`, {
    hint: known.length ? `It has: ${known.join(', ')}.` : 'It has one way of being backed up: leave the mode out.',
  })
}

export interface Planned {
  id: string
  mode?: string | undefined
  reason?: string | undefined
}

export function alreadyPlanned({ id, mode, reason }: Planned): InvalidInput {
  const how = [mode && `mode ${mode}`, reason && `"${reason}"`].filter(Boolean).join(', ')
  return new InvalidInput(`already planned as ${id}${how ? ` (${how})` : ''}`, { hint: 'Follow it: holdfast status' })
}

export function tooOld(asked: Date): InvalidInput {
  return new InvalidInput(`asked for at ${asked.toISOString()}, which is too long ago to be meant now`, {
    hint: 'Ask again, or raise settings.tickMaxAge.',
  })
}
