/** What tests of the `files` source share. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Host, Stage } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { files } from '../../../../infra/sources/files.ts'
import { parsePrintable } from '../../../../infra/tools/byte-names.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { backupOf, type TestBackup } from '../backup.ts'

export interface FilesPlace {
  /** Below it: `data` with what is protected, `backups`. */
  directory: string
  data: string
  /** Makes files below `data`, the name is the content. */
  make(...names: string[]): Promise<void>
  /** Paths that do not begin with / or ~ are below `data`. */
  backup(options: Record<string, unknown>, setting?: { host?: Host; root?: string }): TestBackup
}

export async function filesPlace(): Promise<FilesPlace> {
  const directory = await temporaryDirectory()
  const data = join(directory, 'data')
  await mkdir(data)
  const below = (path: unknown) => (typeof path === 'string' && !/^[/~]/.test(path) ? join(data, path) : path)
  return {
    directory,
    data,
    async make(...names) {
      for (const name of names) {
        await mkdir(dirname(join(data, name)), { recursive: true })
        await writeFile(join(data, name), name)
      }
    },
    backup(options, { root = join(directory, 'backups'), host = localHost() } = {}) {
      const paths = ['paths', 'optional', 'require']
        .map(key => [key, options[key]] as const)
        .filter(([, value]) => Array.isArray(value))
      const absolute = Object.fromEntries(paths.map(([key, value]) => [key, Array.isArray(value) ? value.map(below) : value]))
      return backupOf(files, { ...options, ...absolute }, { root, host })
    },
  }
}

/** Byte names of what a backup's listing lists below `data`, directories left out, in order. */
export async function listed({ directory }: TestBackup, data: string): Promise<string[]> {
  const lines = (await readFile(join(directory, 'thing.listing.txt'), 'utf8'))
    .split('\n')
    .filter(line => line && !line.startsWith('d'))
  const names = lines.map(line => line.replace(/^\S+ +\S+ +\S+ +\S+ \S+ +/, '').replace(/ (->|link to) .*$/, ''))
  return names.map(name => `/${parsePrintable(name)}`.replace(`${data}/`, '')).sort()
}

/** A host that changes the stages of pipes. */
export function hostWith(change: (stage: Stage) => Stage[]): Host {
  const host = localHost()
  return {
    ...host,
    pipe(stages, options) {
      const [first, ...rest] = stages.flatMap(change)
      if (!first) throw new Error('a pipe has a stage')
      return host.pipe([first, ...rest], options)
    },
  }
}

/** Whether a stage writes the archive. */
export function writesArchive({ argv }: Stage): boolean {
  return argv.includes('--create') && argv.includes('--file=-')
}
