/** Writes files that are whole or not there. */
import { randomBytes } from 'node:crypto'
import { closeSync, fchmodSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { calls } from './calls.ts'
import { missing, orIfMissing, removeFile } from './files.ts'
import type { Making } from './one-directory.ts'
import { syncDirectory } from './opened.ts'

export async function writeFile(
  path: string,
  data: string | Uint8Array,
  { mode = 0o600, lasting = true, draft = true }: Writing = {},
): Promise<void> {
  if (draft) await replace(path, data, mode)
  else await fill(await calls.open(path, 'wx', mode), data, mode)
  if (lasting) await syncDirectory(dirname(path))
}

export interface Writing extends Making {
  draft?: boolean
}

/** The file is whole or not there, whoever else writes it. */
async function replace(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  // The name that whoever sweeps up leftovers knows; cut, for names end at 255 bytes.
  const drafts = join(dirname(path), `.${basename(path).slice(0, 50)}.partial-`)
  const another = () => `${drafts}${randomBytes(8).toString('hex')}`
  // A writer that was killed left its draft under the first name: only who finds it taken has something to clear up.
  const own = basename(path).length <= 50
  const first = await writeDraft(own ? `${drafts}${FIRST}` : another(), path, data, mode)
  let written = first
  while (!written) written = await writeDraft(another(), path, data, mode)
  if (own && !first) await sweep(dirname(path), basename(drafts))
}

const FIRST = '0'.repeat(16)

/** False where the draft's name was taken, or the draft was gone before it could be renamed: another writer cleared up. */
async function writeDraft(draft: string, path: string, data: string | Uint8Array, mode: number): Promise<boolean> {
  const file = await openNew(draft, mode)
  if (file === undefined) return false
  try {
    await fill(file, data, mode)
    await calls.rename(draft, path)
    return true
  } catch (error) {
    if (missing(error) && (await orIfMissing(calls.lstat(draft), undefined)) === undefined) return false
    await removeFile(draft)
    throw error
  }
}

async function openNew(path: string, mode: number): Promise<number | undefined> {
  try {
    return await calls.open(path, 'wx', mode)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    throw error
  }
}

async function fill(file: number, data: string | Uint8Array, mode: number): Promise<void> {
  try {
    writeFileSync(file, data)
    // open() leaves out what the umask forbids, which is nothing that the owner has.
    if (mode !== 0o600) fchmodSync(file, mode)
    await calls.sync(file)
  } finally {
    closeSync(file)
  }
}

/** What killed writers of this file left. */
async function sweep(directory: string, drafts: string): Promise<void> {
  const left = (await calls.list(directory))
    .map(({ name }) => name)
    .filter(name => name.startsWith(drafts) && /^[0-9a-f]{16}$/.test(name.slice(drafts.length)))
  for (const name of left) await removeFile(join(directory, name))
}
