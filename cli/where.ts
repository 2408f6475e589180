/** Where a command looks for backups: everywhere the configuration names, one vault of it, or a directory alone. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigurationInvalid } from '../infra/config.ts'
import { InvalidInput } from '../infra/errors.ts'
import { directoryPlace, type Place } from '../infra/find.ts'
import { localHost } from '../infra/hosts/local.ts'
import { placesOf } from '../infra/places.ts'
import { note } from './print.ts'
import { configurationFile, type GlobalOptions, openSession, type Session } from './session.ts'

export interface WhereOptions extends GlobalOptions {
  /** One vault of the configuration. */
  vault?: string
  /** A directory that holds backups; needs no configuration. */
  from?: string
}

export interface Where extends AsyncDisposable {
  /** Nearest first. */
  places: Place[]
  /** Undefined where there is no configuration, and a directory was named. */
  session: Session | undefined
}

export async function openWhere(options: WhereOptions): Promise<Where> {
  const { vault, from } = options
  if (vault !== undefined && from !== undefined)
    throw new InvalidInput('--vault and --from were both given', {
      hint: 'Name one place: a vault of the configuration, or a directory.',
    })
  const session = from === undefined ? await openSession(options) : await sessionIfThere(options)
  const places =
    from === undefined && session ? placesOf(session.tools, vault) : [directoryPlace(localHost('local'), resolve(from ?? '.'))]
  return {
    places,
    session,
    async [Symbol.asyncDispose]() {
      await session?.[Symbol.asyncDispose]()
    },
  }
}

/** A configuration that is missing or broken must not stand between a person and a vault. One that was named must be good. */
async function sessionIfThere(options: GlobalOptions): Promise<Session | undefined> {
  if (options.config !== undefined) return openSession(options)
  const file = configurationFile(options)
  if (!existsSync(file)) return undefined
  try {
    return await openSession(options)
  } catch (error) {
    if (!(error instanceof ConfigurationInvalid)) throw error
    note(`${file} is not used: it has ${error.problems.length} problems. See: holdfast check`)
    return undefined
  }
}
