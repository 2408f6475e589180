/** A place for one database and one backup of it. */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sqlite } from '../../../infra/sources/sqlite.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { backupOf } from './backup.ts'

/** The database is still to be made at `path`. */
export async function scene(name = 'orders.db', options: Record<string, unknown> = {}) {
  const root = await temporaryDirectory()
  const path = join(root, 'data', name)
  await mkdir(dirname(path))
  const backup = backupOf(sqlite, { path, ...options }, { root })
  return { root, path, backup, artifact: join(backup.directory, 'thing.sqlite') }
}
