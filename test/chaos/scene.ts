/** One small fleet for one case: its own prefix on a bus, its own directory, a tree and a database to protect, a vault. */

import { randomBytes } from 'node:crypto'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { writeDocument } from '../../infra/backups.ts'
import type { Configuration } from '../../infra/config.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { COPIES, VERIFIED } from '../../infra/layout.ts'
import { makeBackup, manifestText, sha256 } from '../services/backup.ts'
import { configurationOf, type HouseOptions } from '../services/house.ts'

export interface Scene {
  directory: string
  configuration: Configuration
  /** What is protected. */
  data: string
  /** The same as it was in the beginning. */
  original: string
}

export type SceneOptions = Omit<Partial<HouseOptions>, 'directory'> & { prefix?: string }

/** Everything there is by the time a worker comes: the data, and an old backup here and in the vault, which retention lets go. */
export async function makeScene(directory: string, { prefix = 'backup', ...options }: SceneOptions = {}): Promise<Scene> {
  const [data, original] = [join(directory, 'data'), join(directory, 'original')]
  await mkdir(join(data, 'docs'), { recursive: true })
  await writeFile(join(data, 'docs', 'letter.txt'), 'dear reader')
  await writeFile(join(data, 'docs', 'photo.jpg'), randomBytes(400_000))
  const database = new DatabaseSync(join(data, 'notes.sqlite'))
  database.exec('PRAGMA journal_mode=WAL; CREATE TABLE notes (text TEXT, photo BLOB)')
  database.prepare('INSERT INTO notes VALUES (?, ?)').run('one', randomBytes(400_000))
  database.close()
  await cp(data, original, { recursive: true })
  const configuration = { ...configurationOf({ ...defaults(directory), ...options, directory }), prefix }
  for (const source of ['docs', 'notes']) await makeOldBackup(directory, source)
  await writeFile(join(directory, 'vault', '.holdfast-vault.json'), '{"format":"holdfast-vault","version":1}\n')
  return { directory, configuration, data, original }
}

function defaults(directory: string): Omit<HouseOptions, 'directory'> {
  const [tree, database] = [join(directory, 'data', 'docs'), join(directory, 'data', 'notes.sqlite')]
  // With it what was moved aside is removed, which is a place to be killed at.
  const health = { http: undefined, command: ['true'] satisfies [string], within: 5000 }
  return {
    sources: {
      docs: {
        kind: 'files',
        health,
        options: { paths: [tree], exclude: [], require: [], optional: [], level: 3, rsyncable: false },
      },
      notes: {
        kind: 'sqlite',
        health,
        options: { path: database, method: 'backup', busyTimeout: 5000, walLimit: 1e9, rowCounts: true },
      },
    },
    plans: { nightly: { keep: { last: 1 } } },
    vaults: { nas: { kind: 'rsync', options: { path: join(directory, 'vault') } } },
    attempts: 3,
  }
}

async function makeOldBackup(directory: string, source: string): Promise<void> {
  const old = { source, at: '2020-01-01T02:00:00.000Z', label: 'here' }
  const host = localHost()
  const [here, copy] = [
    await makeBackup(join(directory, 'backups'), old),
    await makeBackup(join(directory, 'vault', 'here'), old),
  ]
  const verified = { at: old.at, manifest: sha256(manifestText(here.manifest)), checks: [] }
  await writeDocument(host, here.directory, VERIFIED, verified)
  await writeDocument(host, copy.directory, VERIFIED, verified)
  const noted = { vault: 'nas', at: old.at, directory: copy.directory, bytes: here.manifest.bytes }
  await writeDocument(host, here.directory, COPIES, { copies: [noted] })
}
