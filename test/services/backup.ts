/** Backups for tests: real files, a true manifest. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { backupDirectory, backupId, MANIFEST } from '../../infra/layout.ts'
import type { Manifest } from '../../infra/manifest.ts'

export interface BackupOptions {
  source?: string
  /** Default: 2026-11-21T02:00:00.000Z */
  at?: string
  label?: string
  /** Artifacts: name to content. */
  files?: Record<string, string | Uint8Array>
  parent?: string
  /** It lies inside its own source. */
  protects?: false
  /** What was required and is not in it. */
  incomplete?: string
}

export interface MadeBackup {
  directory: string
  manifest: Manifest
}

/** Writes a backup below `root` as export does, the manifest last. */
export async function makeBackup(root: string, options: BackupOptions = {}): Promise<MadeBackup> {
  const files = options.files ?? { 'data.bin': 'the data', 'RESTORE.md': '# How to bring it back\n' }
  const manifest = manifestOf(files, options)
  const directory = backupDirectory(root, manifest)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true, mode: 0o700 })
    await writeFile(join(directory, name), content, { mode: 0o600 })
  }
  await writeFile(join(directory, MANIFEST), manifestText(manifest), { mode: 0o600 })
  return { directory, manifest }
}

/** The manifest as it lies on disk. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function manifestOf(
  files: Record<string, string | Uint8Array>,
  { source = 'zeus', at, label, parent, protects, incomplete }: BackupOptions,
): Manifest {
  const moment = at ?? '2026-11-21T02:00:00.000Z'
  const artifacts = Object.entries(files).map(([name, content]) => ({
    name,
    bytes: Buffer.byteLength(content),
    sha256: sha256(content),
  }))
  return {
    version: 1,
    id: backupId(source, new Date(moment)),
    source,
    kind: 'files',
    host: { name: 'local', label: label ?? 'local' },
    at: moment,
    captured: { from: moment, to: moment },
    day: moment.slice(0, 10),
    plans: ['nightly'],
    parent: parent ?? null,
    ...(protects === false && { protects }),
    ...(incomplete !== undefined && { incomplete }),
    consistency: { asked: 'crash', achieved: 'crash' },
    encryption: null,
    artifacts,
    bytes: artifacts.reduce((sum, { bytes }) => sum + bytes, 0),
    tools: {},
    warnings: { count: 0, first: [] },
    details: {},
  }
}
