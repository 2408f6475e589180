/** The backups that an increment builds on. They lie beside it, in the layout of every root and vault: `../../<day>/<name>`. */
import { basename, dirname } from 'node:path'
import { VerificationFailed } from './errors.ts'
import type { Host } from './hosts/host.ts'
import { type Backup, readInventory, type Unreadable } from './inventory.ts'
import { directoryName } from './layout.ts'
import type { Check } from './manifest.ts'
import { checkArtifacts } from './tools/checksums.ts'

export type Member = Pick<Backup, 'manifest' | 'directory'>

/** What a backup builds on as it lies on the host, nearest first. Throws VerificationFailed where a member is gone or broken. */
export async function ancestorsOf(host: Host, backup: Member): Promise<Backup[]> {
  const { manifest, directory } = backup
  if (manifest.parent === null) return []
  const inventory = await readInventory(host, dirname(dirname(directory)), { source: manifest.source, except: directory })
  return ancestorsAmong(inventory.backups, backup, inventory.unreadable)
}

/** The same among backups of one source and host that are known already. */
export function ancestorsAmong(
  backups: readonly Backup[],
  { manifest }: Pick<Backup, 'manifest'>,
  unreadable: readonly Unreadable[] = [],
): Backup[] {
  const byId = new Map(
    backups.filter(backup => backup.manifest.host.label === manifest.host.label).map(backup => [backup.manifest.id, backup]),
  )
  const found: Backup[] = []
  for (let parent = manifest.parent, child = manifest.id; parent !== null; ) {
    const member = byId.get(parent)
    if (!member || found.includes(member)) throw missing(parent, child, unreadable)
    found.push(member)
    child = parent
    parent = member.manifest.parent
  }
  return found
}

/** Re-reads what a backup builds on; throws VerificationFailed naming the file that is not what it was. */
export async function proveAncestors(host: Host, backup: Member, signal: AbortSignal): Promise<Check[]> {
  const members = await ancestorsOf(host, backup)
  for (const { manifest, directory } of members) await checkArtifacts(host, directory, manifest, signal)
  return members.length ? [{ name: 'chain', result: `${members.length} older backups it builds on, checksums compared` }] : []
}

function missing(parent: string, child: string, unreadable: readonly Unreadable[]): VerificationFailed {
  const broken = unreadable.find(({ directory }) => isPlaceOf(directory, parent))
  const why = broken ? `${parent}, which cannot be read: ${broken.error}` : `${parent}, which is not there`
  return new VerificationFailed(`${child} builds on ${why}`, {
    hint: 'This copy of the chain cannot be restored. Take another one, or a backup of before: holdfast list',
  })
}

/** Whether a directory is where the backup belongs. */
function isPlaceOf(directory: string, id: string): boolean {
  return basename(directory) === directoryName({ id, day: basename(dirname(directory)) })
}
