/** Whether a backup is there, for those who only know its id. */
import { join } from 'node:path'
import type { Host } from '../../hosts/host.ts'
import { directoryName, MANIFEST, parseBackupId } from '../../layout.ts'

/** Whether it was finished and has not been pruned: a checkpoint of one that was not is nobody's parent. */
export async function isKept(host: Host, root: string, id: string): Promise<boolean> {
  // The day is the plan's: at most one off the id's own.
  const at = parseBackupId(id)?.at.getTime() ?? 0
  const days = [-1, 0, 1].map(offset => new Date(at + offset * 86_400_000).toISOString().slice(0, 10))
  const found = await Promise.all(days.map(day => host.stat(join(root, day, directoryName({ id, day }), MANIFEST))))
  return found.some(Boolean)
}
