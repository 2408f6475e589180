/** Where a restore may go: what `to` means for a kind, and for a part of a backup. */
import { InvalidInput } from './errors.ts'
import type { Source } from './sources/source.ts'

export interface Wanted {
  to: string | undefined
  part: string | undefined
}

/** Whether `to` is the name of something new rather than a path: a part alone is only ever brought to a path. */
export function isName({ destination }: Pick<Source, 'destination'>, part: string | undefined): boolean {
  return destination === 'name' && part === undefined
}

/** Throws InvalidInput where `to` is not what the kind takes. */
export function refuseDestination(driver: Pick<Source, 'kind' | 'destination'>, { to, part }: Wanted): void {
  if (to === undefined) return
  const named = isName(driver, part)
  if (named ? /^[^/\s-][^/\0\n]*$/.test(to) : /^(\/|~\/)/.test(to)) return
  const expected = named ? 'the name of something new' : 'an absolute path, or one below ~/'
  throw new InvalidInput(`to: ${JSON.stringify(to)}: expected ${expected}`, {
    hint: named ? `A ${driver.kind} is restored to another name; a part of it alone goes to a path.` : 'Name the whole path.',
  })
}
