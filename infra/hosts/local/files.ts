/** Files of this machine: whole or not there. Paths are absolute. */
import { fstatSync, readFileSync, type Stats } from 'node:fs'
import { basename, dirname } from 'node:path'
import { codeOf, HoldfastError, InvalidInput } from '../../errors.ts'
import { hintForCode } from '../../tools/hints.ts'
import type { Entry, Name, Space } from '../host.ts'
import { calls } from './calls.ts'
import type { Making } from './one-directory.ts'
import { opened, syncDirectory } from './opened.ts'

const LARGEST_READ = 64 * 1024 * 1024

/** Up to this size, bytes, a file is read at once: handing that to another thread costs more than doing it. */
const SMALL = 64 * 1024

export async function readFile(path: string): Promise<Uint8Array> {
  return opened(path, file => {
    const stats = fstatSync(file)
    if (stats.size > LARGEST_READ) throw new InvalidInput(`${path} has ${stats.size} bytes: too many to hold in memory`)
    return stats.isFile() && stats.size <= SMALL ? readFileSync(file) : calls.readAll(file)
  })
}

export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return orIfMissing(readFile(path), undefined)
}

/** Names that are not UTF-8 come with U+FFFD in them, as Node gives them: walking those is a foreign tool's job. */
export async function listDirectory(path: string): Promise<Name[]> {
  const found = await orIfMissing(calls.list(path), [])
  return found.map(entry => ({ name: entry.name, type: typeOf(entry) })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function statFile(path: string, follow = true): Promise<Entry | undefined> {
  const stats = await orIfMissing(follow ? calls.stat(path) : calls.lstat(path), undefined)
  return stats && entryOf(basename(path), stats)
}

/**
 * One after the other: Node's own `recursive` never comes back from a file system that takes no directories, such as /proc. Others make
 * and remove the directories around it at the same time, so it takes a few tries.
 */
export async function makeDirectory(path: string, making: Making = {}): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    if (await made(path, making)) return
    await makeDirectory(dirname(path), { ...making, lasting: true })
  }
  throw new HoldfastError(`${path}: the directory around it takes none, or vanishes again and again`)
}

/** False where the directory around it is missing. */
async function made(path: string, { mode = 0o700, lasting = true }: Making): Promise<boolean> {
  try {
    await calls.make(path, mode)
    if (lasting) await syncDirectory(dirname(path))
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await calls.stat(path)).isDirectory()) return true
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

export async function renameFile(from: string, to: string): Promise<void> {
  await calls.rename(from, to)
  await syncDirectory(dirname(to))
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from))
}

/** False where it is a directory. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await calls.unlink(path)
    return true
  } catch (error) {
    if (missing(error)) return true
    if (codeOf(error) === 'EISDIR' || codeOf(error) === 'EPERM') return false
    throw error
  }
}

export async function spaceAt(path: string): Promise<Space> {
  const found = await orIfMissing(calls.measure(path), undefined)
  if (!found) return spaceAt(dirname(path))
  return { free: found.bavail * found.bsize, total: found.blocks * found.bsize }
}

/** Whether an error says that there is nothing at the path. */
export function missing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
}

function entryOf(name: string, stats: Stats): Entry {
  const type = typeOf(stats)
  return { name, type, size: type === 'file' ? stats.size : 0, modified: stats.mtime }
}

function typeOf(entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): Name['type'] {
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'link' : 'other'
}

/** Another value where there is nothing. */
export async function orIfMissing<Found, Else>(looking: Promise<Found>, otherwise: Else): Promise<Found | Else> {
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
