/** One capture as the functions `snapshot` and `export` call it, and nothing around it. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { localHost } from '../infra/hosts/local.ts'
import { sourceOf } from '../infra/sources/all.ts'
import type { Captured } from '../infra/sources/source.ts'

export interface CaptureOptions {
  kind: string
  /** As the configuration would say them. */
  options: unknown
  /** Where backups are kept. */
  root: string
}

/** Where it is written: `captured` below the root, made anew. Resolves when it is on the disk. */
export async function capture({ kind, options, root }: CaptureOptions): Promise<Captured> {
  const driver = sourceOf(kind)
  if (!driver) throw new Error(`there is no kind of source called ${kind}`)
  const directory = join(root, 'captured')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const work = {
    host: localHost(),
    source: 'bench',
    id: 'bench-20261121T020000Z',
    options: driver.options.parse(options),
    signal: new AbortController().signal,
    progress: () => {},
    warn: (message: string) => {
      throw new Error(message)
    },
  }
  const held = await driver.snapshot({ ...work, root, mode: undefined, earlier: async () => [] })
  return driver.export({ ...work, directory, held })
}

/** Takes it away again, outside of what is measured. */
export async function forget({ root }: Pick<CaptureOptions, 'root'>): Promise<void> {
  await rm(join(root, 'captured'), { recursive: true, force: true })
}
