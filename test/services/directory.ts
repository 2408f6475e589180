/** Directories that tests work in. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'

export interface DirectoryOptions {
  /** Mounts a file system of this size there, such as `10m`: for a full disk, or another file system. Needs root. */
  tmpfs?: string
}

export interface Directory extends AsyncDisposable {
  path: string
  remove(): Promise<void>
}

/** A new directory that goes when the test that is running ends, however it ends. Not for `beforeAll`: see `makeDirectory`. */
export async function temporaryDirectory(options: DirectoryOptions = {}): Promise<string> {
  const { path, remove } = await makeDirectory(options)
  onTestFinished(remove)
  return path
}

/** A new directory that its maker removes: `beforeAll(async () => { …; return directory.remove })` */
export async function makeDirectory({ tmpfs }: DirectoryOptions = {}): Promise<Directory> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  if (tmpfs) await execa('mount', ['-t', 'tmpfs', '-o', `size=${tmpfs},mode=0700`, 'holdfast-test', path])
  const remove = async () => {
    if (tmpfs) await execa('umount', [path])
    await execa('rm', ['-rf', '--one-file-system', '--', path])
  }
  return { path, remove, [Symbol.asyncDispose]: remove }
}
