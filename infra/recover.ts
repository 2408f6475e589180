/** Restores a backup from the nearest good copy: with the configuration's service and health where it knows the source, from the manifest alone where not. */
import { join } from 'node:path'
import { ancestorsAmong } from './chain.ts'
import { HoldfastError, InvalidInput, messageOf, VerificationFailed } from './errors.ts'
import { type Found, type Located, locate, type Place } from './find.ts'
import type { Host } from './hosts/host.ts'
import type { Backup } from './inventory.ts'
import { backupDirectory } from './layout.ts'
import { type Restore, type Restored, restoreBackup } from './restore.ts'
import { sourceOf } from './sources/all.ts'
import type { Tools } from './tools.ts'

export interface Recovery
  extends Pick<Restore, 'to' | 'part' | 'instant' | 'keepAside' | 'token' | 'signal' | 'progress' | 'warn' | 'state'> {
  located: Located
  /** The host that gets the data back. */
  host: Host
  /** What the configuration says of the source; undefined where there is none. */
  source: { options: unknown; service: Restore['service']; health: Restore['health'] } | undefined
}

export interface Recovered extends Restored {
  /** The place of the copy that was used. */
  from: string
}

/** Tries the copies nearest first: a damaged one is passed over aloud, as nothing has been touched by then. */
export async function recover(recovery: Recovery): Promise<Recovered> {
  const problems: string[] = []
  for (const found of inOrder(recovery)) {
    try {
      return { ...(await restoreCopy(found, recovery)), from: found.place.name }
    } catch (error) {
      if (!(error instanceof VerificationFailed)) throw error
      problems.push(`${found.place.name}: ${messageOf(error)}`)
      recovery.warn(`the copy in ${found.place.name} is damaged: ${messageOf(error)}`)
    }
  }
  throw new VerificationFailed(`no copy of ${recovery.located.id} can be restored: ${problems.join('; ')}`, {
    hint: 'Nothing was touched. Choose another backup: holdfast list',
  })
}

/** What a configuration knows of the source of a backup, on its own host. */
export function recoveryOf(tools: Tools, source: string): Pick<Recovery, 'host' | 'source' | 'state'> {
  const { host, config, hostConfig } = tools.source(source)
  return { host, source: config, state: stateBelow(hostConfig.root) }
}

/**
 * The backup that a restore means: one that the source's own host made. One of another host, in a vault that several share, only
 * where it goes to another place and was asked for as `<host label>/<id>`.
 */
export function locateToRestore(
  { tools, places }: { tools: Tools; places: readonly Place[] },
  { text, to }: { text: string; to: string | undefined },
): Promise<Located> {
  const named = to !== undefined && text.includes('/')
  return locate(places, text, ({ manifest: { source, host } }) => named || host.label === (labelOf(tools, source) ?? host.label))
}

/** The label of the host of a source; undefined where the configuration does not know the source. */
export function labelOf({ configuration: { sources, hosts } }: Tools, source: string): string | undefined {
  const config = Object.hasOwn(sources, source) ? sources[source] : undefined
  return config && hosts[config.host]?.label
}

/** Where the journals of restores lie, below a root. */
export function stateBelow(root: string): string {
  return join(root, '.restores')
}

/** Verified ones first, failed ones last, otherwise as near as they are. What is to run from one takes none that it cannot reach. */
function inOrder({ located: { copies }, instant, host }: Recovery): Found[] {
  const rank = ({ backup }: Found) => (backup.failed ? 2 : backup.verified ? 0 : 1)
  const reachable = instant ? copies.filter(({ place }) => place.host?.name === host.name) : copies
  return (reachable.length ? reachable : copies).toSorted((a, b) => rank(a) - rank(b))
}

async function restoreCopy(found: Found, recovery: Recovery): Promise<Restored> {
  const { manifest } = found.backup
  const driver = sourceOf(manifest.kind)
  if (!driver) {
    throw new InvalidInput(`${manifest.id} is of the kind ${manifest.kind}, which this Holdfast does not know`, {
      hint: `Restore it by hand: ${join(found.backup.directory, 'RESTORE.md')}`,
    })
  }
  const { host, source, to, part, instant, keepAside, token, signal, progress, warn, state } = recovery
  const settings = { options: source?.options ?? {}, service: source?.service, health: source?.health }
  const rest = { host, driver, ...settings, to, part, instant, keepAside, token, signal, progress, warn, state }
  if (found.place.host?.name === host.name) return restoreBackup({ backup: found.backup, ...rest })
  if (instant) throw notHere(found, host.name)
  return fetchAndRestore(found, rest)
}

function notHere({ backup: { manifest, directory }, place }: Found, host: string): HoldfastError {
  const chain = manifest.parent === null ? '' : ', and everything it builds on,'
  return new HoldfastError(`${manifest.id} lies in ${place.name}, where ${host} cannot read it: nothing can run from there`, {
    retryable: false,
    hint: `Fetch ${directory}${chain} in the same layout to a disk of ${host}, then give that with --from. Or leave out --instant.`,
  })
}

/** A copy that cannot be read where the data belongs is fetched beside the journals first, with everything that it builds on. */
async function fetchAndRestore({ backup, place }: Found, rest: Omit<Restore, 'backup'>): Promise<Restored> {
  const { host, state, token, signal, progress } = rest
  const { vault } = place
  if (!vault) throw new HoldfastError(`${backup.directory} lies on another host than ${host.name}`, { retryable: false })
  const fetched = join(state, `fetched-${token}`)
  await host.remove(fetched)
  try {
    const chain = [backup, ...(await ancestorsIn(place, backup))]
    // In the layout of every root, so that what refers to another backup by a relative path finds it.
    for (const member of chain) {
      await vault.get(member, { host, directory: backupDirectory(fetched, member.manifest), signal, progress })
    }
    return await restoreBackup({ backup: { ...backup, directory: backupDirectory(fetched, backup.manifest) }, ...rest })
  } finally {
    // Who is aborted does nothing more; the next try begins by removing it.
    if (!signal.aborted) await host.remove(fetched)
  }
}

async function ancestorsIn({ list }: Found['place'], backup: Backup): Promise<Backup[]> {
  if (backup.manifest.parent === null) return []
  const { backups, unreadable } = await list({ source: backup.manifest.source })
  return ancestorsAmong(backups, backup, unreadable)
}
