/** What is done to every copy of one backup. */
import { HoldfastError, messageOf } from '../infra/errors.ts'
import { type Found, type Located, locate } from '../infra/find.ts'
import type { Host } from '../infra/hosts/host.ts'
import { placesOf } from '../infra/places.ts'
import type { Tools } from '../infra/tools.ts'
import { say } from './print.ts'
import { type GlobalOptions, openSession } from './session.ts'

/** The copies that it concerns, and what is said where there is none. */
interface Concerned {
  only(copy: Found): boolean
  otherwise: string
}

/** Does it to each copy and says where. One that cannot be reached hides no other; then the whole is a failure. */
export async function eachCopy(
  id: string,
  options: GlobalOptions,
  done: string,
  deed: (copy: Found) => Promise<void>,
  concerned?: Concerned,
): Promise<void> {
  await using session = await openSession(options)
  const located = await locate(placesOf(session.tools), id)
  const problems = [...located.problems, ...(await missed(located, session.tools))]
  const places: string[] = []
  for (const copy of located.copies.filter(concerned?.only ?? (() => true))) {
    try {
      await deed(copy)
      places.push(copy.place.name)
    } catch (error) {
      problems.push(`${copy.place.name}: ${messageOf(error)}`)
    }
  }
  if (places.length) say(`${located.id}  ${done} in ${places.join(', ')}`)
  if (problems.length)
    throw new HoldfastError(`not every place could be reached: ${problems.join('; ')}`, {
      hint: 'Make it reachable and say it again: it may be said twice.',
    })
  if (concerned && !places.length) throw new HoldfastError(`${located.id} ${concerned.otherwise}`, { hint: 'See: holdfast list' })
}

/** Places that should have a copy and show nothing: a root that is gone, a vault that is not mounted or left the configuration. */
async function missed({ copies, problems }: Located, tools: Tools): Promise<string[]> {
  const [{ backup }] = copies
  const said = (name: string) =>
    copies.some(({ place }) => place.name === name) || problems.some(problem => problem.startsWith(`${name}: `))
  const vaults = new Set(copies.flatMap(copy => copy.backup.copies.map(({ vault }) => vault)))
  const hosts = Object.entries(tools.configuration.hosts).filter(([, { label }]) => label === backup.manifest.host.label)
  const absent = await Promise.all([
    ...hosts.filter(([name]) => !said(name)).map(([name, { root }]) => missedRoot(tools.host(name), name, root)),
    ...[...vaults].filter(name => !said(name)).map(name => missedVault(tools, name, backup.manifest.source)),
  ])
  return absent.filter(problem => problem !== undefined)
}

async function missedRoot(host: Host, name: string, root: string): Promise<string | undefined> {
  return (await host.stat(await host.resolve(root))) ? undefined : `${name}: ${root} is not there`
}

/** A vault's own retention may have dropped the copy, but never the last one of a source. */
async function missedVault(tools: Tools, name: string, source: string): Promise<string | undefined> {
  if (!Object.hasOwn(tools.configuration.vaults, name)) return `${name}: it got a copy, and is not in the configuration any more`
  const there = await tools.vault(name).vault.list({ source })
  return there.length ? undefined : `${name}: it got a copy, and shows no backup of ${source} now`
}
