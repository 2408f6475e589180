/** Files of this machine: whole or not there. Paths are absolute. */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, HoldfastError, InvalidInput } from '../../errors.ts'
import { hintForCode } from '../../tools/hints.ts'
import type { Entry, Name, Space } from '../host.ts'

const LARGEST_READ = 64 * 1024 * 1024

export async function readFile(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size > LARGEST_READ) throw new InvalidInput(`${path} has ${size} bytes: too many to hold in memory`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return orIfMissing(readFile(path), undefined)
}

export async function writeFile(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  // The name that whoever sweeps up leftovers knows; cut, for names end at 255 bytes.
  const drafts = join(dirname(path), `.${basename(path).slice(0, 50)}.partial-`)
  const another = () => `${drafts}${randomBytes(8).toString('hex')}`
  // A writer that was killed left its draft under the first name: only who finds it taken has something to clear up.
  const own = basename(path).length <= 50
  const first = await writeDraft(own ? `${drafts}${FIRST}` : another(), path, data, mode)
  let written = first
  while (!written) written = await writeDraft(another(), path, data, mode)
  await syncDirectory(dirname(path))
  if (own && !first) await sweep(dirname(path), basename(drafts))
}

const FIRST = '0'.repeat(16)

/** False where the draft's name was taken, or the draft was gone before it could be renamed: another writer cleared up. */
async function writeDraft(draft: string, path: string, data: string | Uint8Array, mode: number): Promise<boolean> {
  const file = await openNew(draft, mode)
  if (!file) return false
  try {
    try {
      await file.writeFile(data)
      // open() leaves out what the umask forbids, which is nothing that the owner has.
      if (mode !== 0o600) await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
    return true
  } catch (error) {
    if (missing(error) && (await orIfMissing(lstat(draft), undefined)) === undefined) return false
    await removeFile(draft)
    throw error
  }
}

async function openNew(path: string, mode: number) {
  try {
    return await open(path, 'wx', mode)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    throw error
  }
}

/** What killed writers of this file left. */
async function sweep(directory: string, drafts: string): Promise<void> {
  const left = (await readdir(directory)).filter(
    name => name.startsWith(drafts) && /^[0-9a-f]{16}$/.test(name.slice(drafts.length)),
  )
  for (const name of left) await removeFile(join(directory, name))
}

/** Names that are not UTF-8 come with U+FFFD in them, as Node gives them: walking those is a foreign tool's job. */
export async function listDirectory(path: string): Promise<Name[]> {
  const found = await orIfMissing(readdir(path, { withFileTypes: true }), [])
  return found.map(entry => ({ name: entry.name, type: typeOf(entry) })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function statFile(path: string, follow = true): Promise<Entry | undefined> {
  const stats = await orIfMissing(follow ? stat(path) : lstat(path), undefined)
  return stats && entryOf(basename(path), stats)
}

/**
 * One after the other: Node's own `recursive` never comes back from a file system that takes no directories, such as /proc. Others make
 * and remove the directories around it at the same time, so it takes a few tries.
 */
export async function makeDirectory(path: string, mode = 0o700): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    if (await made(path, mode)) return
    await makeDirectory(dirname(path), mode)
  }
  throw new HoldfastError(`${path}: the directory around it takes none, or vanishes again and again`)
}

/** False where the directory around it is missing. */
async function made(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
    await syncDirectory(dirname(path))
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return true
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

export async function renameFile(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncDirectory(dirname(to))
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from))
}

/** False where it is a directory. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (missing(error)) return true
    if (codeOf(error) === 'EISDIR' || codeOf(error) === 'EPERM') return false
    throw error
  }
}

export async function spaceAt(path: string): Promise<Space> {
  const found = await orIfMissing(statfs(path), undefined)
  if (!found) return spaceAt(dirname(path))
  return { free: found.bavail * found.bsize, total: found.blocks * found.bsize }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Whether an error says that there is nothing at the path. */
function missing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
}

function entryOf(name: string, stats: Stats): Entry {
  const type = typeOf(stats)
  return { name, type, size: type === 'file' ? stats.size : 0, modified: stats.mtime }
}

function typeOf(entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): Name['type'] {
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'link' : 'other'
}

async function orIfMissing<Found, Else>(looking: Promise<Found>, otherwise: Else): Promise<Found | Else> {
  try {
    return await looking
  } catch (error) {
    if (missing(error)) return otherwise
    throw error
  }
}

/** Does something to a path and says on failure what that was. */
export async function explained<Result>(host: string, deed: string, path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof HoldfastError) throw error
    throw new HoldfastError(`${host}: cannot ${deed} ${path}: ${reason(error)}`, {
      cause: error,
      ...hintForCode(codeOf(error)),
    })
  }
}

/** `ENOENT: no such file or directory, open '/x'` → `no such file or directory` */
function reason(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^[A-Z0-9]+: ([^,]+), .*$/s, '$1') : String(error)
}
