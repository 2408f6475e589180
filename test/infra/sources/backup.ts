/** Backs up with one source and no bus: what the functions do around its verbs, as plainly as it goes. */
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import type { Check, Manifest } from '../../../infra/manifest.ts'
import type { Captured, Held, Progress, Source, Staged } from '../../../infra/sources/source.ts'
import { checkArtifacts, hashFiles } from '../../../infra/tools/checksums.ts'

export interface Setting {
  host?: Host
  signal?: AbortSignal
  /** Where backups are kept. The backup lies in `<root>/backup`. */
  root: string
}

/** One backup of one source, step by step. */
export interface TestBackup {
  directory: string
  warnings: string[]
  progress: Progress[]
  snapshot(): Promise<Held>
  /** Snapshots first where that has not happened. Writes RESTORE.md too. */
  capture(): Promise<Captured>
  /** Of the last capture. */
  manifest(): Manifest
  verify(): Promise<Check[]>
  stage(token: string, to?: string): Promise<Staged>
}

export const sourceName = 'thing'
export const backupId = 'thing-20261121T020000Z'

export function backupOf<Options>(source: Source<Options>, options: unknown, setting: Setting): TestBackup {
  const { host = localHost(), root, signal = new AbortController().signal } = setting
  const directory = join(root, 'backup')
  const warnings: string[] = []
  const progress: Progress[] = []
  const parsed = source.options.parse(options)
  const common = {
    ...{ host, source: sourceName, id: backupId, options: parsed, signal },
    progress: (now: Progress) => void progress.push(now),
    warn: (message: string) => void warnings.push(message),
  }
  let held: Held | undefined
  let manifest: Manifest | undefined
  const known = () => {
    if (!manifest) throw new Error('nothing was captured')
    return manifest
  }
  const stored = () => ({ ...common, directory, manifest: known() })
  const snapshot = async () => (held = await source.snapshot({ ...common, root, mode: undefined, earlier: async () => [] }))
  return {
    ...{ directory, warnings, progress, snapshot, manifest: known },
    async capture() {
      await host.makeDirectory(directory)
      const captured = await source.export({ ...common, directory, held: held ?? (await snapshot()) })
      await host.write(join(directory, 'RESTORE.md'), captured.instructions)
      manifest = await manifestOf(source.kind, directory, captured, warnings)
      return captured
    },
    verify: () => source.verify(stored()),
    stage: async (token, to) => source.stage({ ...stored(), token, to, scratch: join(root, `scratch-${token}`) }),
  }
}

/** What `restore` does with what was staged: aside with the old, in with the new, away with the scratch. */
export async function putInPlace({ replacements, scratch }: Staged): Promise<void> {
  const host = localHost()
  for (const { target, staged } of replacements) {
    if (await stat(target).catch(() => undefined)) await rename(target, `${target}.aside`)
    if (staged) await rename(staged, target)
  }
  for (const path of scratch) await host.remove(path)
}

/** What the caller of `verify` has compared already. */
export function compareSums({ directory, manifest }: TestBackup): Promise<Check[]> {
  return checkArtifacts(localHost(), directory, manifest())
}

async function manifestOf(kind: string, directory: string, captured: Captured, warnings: string[]): Promise<Manifest> {
  const names = [...captured.artifacts.map(({ name }) => name), 'RESTORE.md']
  const artifacts = await hashFiles(localHost(), directory, names)
  const { from, to } = captured.captured
  return {
    ...{
      version: 1,
      id: backupId,
      source: sourceName,
      kind,
      host: { name: 'local', label: 'local' },
      plans: [],
      encryption: null,
    },
    ...{ at: '2026-11-21T02:00:00.000Z', day: '2026-11-21', captured: { from: from.toISOString(), to: to.toISOString() } },
    ...{ parent: captured.parent, consistency: captured.consistency, details: captured.details, tools: {}, artifacts },
    bytes: artifacts.reduce((sum, { bytes }) => sum + bytes, 0),
    warnings: { count: warnings.length, first: warnings.slice(0, 20) },
  }
}
