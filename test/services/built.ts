/** Things that take long to build and are the same each time: once per machine, for all test files at once. */
import { createHash } from 'node:crypto'
import { lstat, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The directory that `build` filled for this key, now or earlier. Two that build at once do not meet: the first one's stays. */
export async function builtOnce(
  name: string,
  key: readonly string[],
  build: (directory: string) => Promise<void>,
): Promise<string> {
  const cache = await cacheDirectory()
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16)
  const directory = join(cache, `${name}-${hash}`)
  if (await isThere(directory)) return directory
  const work = await mkdtemp(join(cache, `.${name}-`))
  try {
    await build(work)
    await rename(work, directory).catch(async error => {
      if (!(await isThere(directory))) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return directory
}

/** What tells one version of a file from another, for a key. */
export async function versionOf(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path)
  return `${path} ${size} ${mtimeMs}`
}

async function cacheDirectory(): Promise<string> {
  const directory = join(tmpdir(), `holdfast-test-cache-${process.getuid?.() ?? 'user'}`)
  await mkdir(directory, { mode: 0o700 }).catch(error => {
    if (error.code !== 'EEXIST') throw error
  })
  // Anybody can make names in /tmp.
  const found = await lstat(directory)
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw new Error(`${directory} is not ours: remove it`)
  return directory
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    error => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
