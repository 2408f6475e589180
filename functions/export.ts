/** Brings the data into the backup directory: artifacts, RESTORE.md, then the manifest, then the final name. */
import { join } from 'node:path'
import { type Exported, events, type Snapshotted } from '../bus/events.ts'
import { cleanUnfinished, hold, removeBackup } from '../infra/backups.ts'
import { sha256 } from '../infra/documents.ts'
import { HoldfastError } from '../infra/errors.ts'
import type { Host } from '../infra/hosts/host.ts'
import { readBackup } from '../infra/inventory.ts'
import { backupDirectory, directoryName, MANIFEST, partialDirectory, RESTORE } from '../infra/layout.ts'
import type { Artifact, Manifest } from '../infra/manifest.ts'
import type { Captured, CaptureWork } from '../infra/sources/source.ts'
import { hashFiles } from '../infra/tools/checksums.ts'
import type { ProtectedSource } from '../infra/tools.ts'
import { type WarningList, warningList } from '../infra/warnings.ts'
import { defineFunction, type FunctionContext } from './define.ts'

const WARNINGS = 'warnings.txt'
/** Characters: it travels in every fact that follows. */
const LONGEST_REASON = 4000

export default defineFunction({
  name: 'export',
  on: [events.snapshot.done],
  emits: [events.export.done],
  async handle(snapshotted, context) {
    const source = context.tools.source(snapshotted.source)
    const final = backupDirectory(snapshotted.root, snapshotted)
    const there = await exportedBy(source.host, final, snapshotted)
    if (there) return events.export.done(there)
    const partial = await openPartial(source.host, snapshotted, context)
    const written = await writeBackup(source, partial, snapshotted, context)
    const exported = (await moved(source.host, partial, final))
      ? exportedAs(final, written, snapshotted)
      : await exportedBy(source.host, final, snapshotted)
    if (!exported) throw new Error(`${final}: another writer finished it, and now it is gone`)
    return events.export.done(exported)
  },
  async withdraw(snapshotted, { tools }) {
    const { host } = tools.source(snapshotted.source)
    const directory = backupDirectory(snapshotted.root, snapshotted)
    if ((await readBackup(host, directory))?.manifest.id === snapshotted.id) await removeBackup(host, directory)
  },
})

/** What the manifest in the final directory says, whoever wrote it. */
async function exportedBy(host: Host, directory: string, snapshotted: Snapshotted): Promise<Exported | undefined> {
  const backup = await readBackup(host, directory)
  if (!backup) return undefined
  if (backup.manifest.id !== snapshotted.id)
    throw new HoldfastError(`${directory} holds ${backup.manifest.id}, not ${snapshotted.id}`, {
      retryable: false,
      hint: 'Somebody moved or edited it. Move it away, and ask for the backup again.',
    })
  return exportedAs(directory, backup, snapshotted)
}

/** A manifest and the SHA-256 of its text. */
interface Written {
  manifest: Manifest
  digest: string
}

function exportedAs(directory: string, { manifest, digest }: Written, snapshotted: Snapshotted): Exported {
  const { bytes, artifacts, warnings, parent, consistency, incomplete } = manifest
  const exported = {
    ...snapshotted,
    directory,
    manifest: digest,
    bytes,
    artifacts: artifacts.length,
    warnings,
    parent,
    consistency,
  }
  return incomplete === undefined ? exported : { ...exported, incomplete }
}

/** Partials of earlier tries go; ours carries the fence, so that a writer who lost the message cannot write into it. */
async function openPartial(host: Host, backup: Snapshotted, { fence, redelivered }: FunctionContext): Promise<string> {
  if (redelivered)
    await cleanUnfinished(host, backup.root, {
      source: backup.source,
      backup: { day: backup.day, name: directoryName(backup) },
    })
  const partial = partialDirectory(backup.root, backup, fence)
  // Nobody needs it before the manifest stands in it and it has its final name.
  await host.makeDirectory(partial, { lasting: false })
  return partial
}

async function writeBackup(
  source: ProtectedSource,
  directory: string,
  backup: Snapshotted,
  context: FunctionContext,
): Promise<Written> {
  const { host, driver, config } = source
  const warnings = warningList(backup.snapshot.warnings)
  const work: CaptureWork<unknown> = {
    host,
    source: backup.source,
    id: backup.id,
    options: config.options,
    signal: context.signal,
    progress: context.progress,
    // Heard at once: what it is about may keep this from ending for long.
    warn(message) {
      warnings.add(message)
      context.log.warn(message)
    },
    directory,
    held: backup.snapshot,
  }
  const captured = await driver.export(work)
  const texts = await writeTexts(host, directory, captured, warnings)
  const artifacts = [...(await artifactsOf(host, directory, captured, context.signal)), ...texts]
  if (backup.keep)
    await hold(host, directory, { at: context.cause.time.toISOString(), reason: backup.reason ?? 'asked for with keep: forever' })
  const manifest = manifestOf(source, backup, captured, artifacts, warnings)
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  await host.write(join(directory, MANIFEST), text, { draft: false })
  return { manifest, digest: sha256(text) }
}

async function writeTexts(host: Host, directory: string, { instructions }: Captured, warnings: WarningList): Promise<Artifact[]> {
  const all = warnings.all().length > warnings.summary().first.length ? [`${warnings.all().join('\n')}\n`] : []
  const texts = [{ name: RESTORE, text: instructions }, ...all.map(text => ({ name: WARNINGS, text }))]
  for (const { name, text } of texts) await host.write(join(directory, name), text, { draft: false, lasting: false })
  return texts.map(({ name, text }) => ({ name, bytes: Buffer.byteLength(text), sha256: sha256(text) }))
}

/** Sizes of all, and the checksums that the kind did not take while it wrote. */
async function artifactsOf(host: Host, directory: string, { artifacts }: Captured, signal: AbortSignal): Promise<Artifact[]> {
  const unhashed = artifacts.filter(({ sha256 }) => !sha256).map(({ name }) => name)
  const hashed = new Map((await hashFiles(host, directory, unhashed, signal)).map(artifact => [artifact.name, artifact]))
  return Promise.all(
    artifacts.map(async ({ name, sha256 }) => {
      const stat = await host.stat(join(directory, name))
      if (!stat) throw new Error(`${join(directory, name)} is gone while it is being written`)
      return sha256 ? { name, bytes: stat.size, sha256 } : (hashed.get(name) ?? { name, bytes: stat.size, sha256: '' })
    }),
  )
}

function manifestOf(
  source: ProtectedSource,
  backup: Snapshotted,
  captured: Captured,
  artifacts: Artifact[],
  warnings: WarningList,
): Manifest {
  const { id, at, day, plans, mode, reason, kind } = backup
  return {
    version: 1,
    id,
    source: backup.source,
    kind,
    host: { name: backup.host, label: source.hostConfig.label },
    at,
    captured: { from: captured.captured.from.toISOString(), to: captured.captured.to.toISOString() },
    day,
    plans,
    ...(mode ? { mode } : {}),
    ...(reason ? { reason } : {}),
    parent: captured.parent,
    ...(captured.protects === false ? { protects: false } : {}),
    ...(captured.incomplete === undefined
      ? {}
      : { incomplete: captured.incomplete.replaceAll(/\s*\n\s*/g, ' ').slice(0, LONGEST_REASON) }),
    consistency: captured.consistency,
    encryption: null,
    artifacts,
    bytes: artifacts.reduce((sum, { bytes }) => sum + bytes, 0),
    tools: backup.snapshot.tools,
    warnings: warnings.summary(),
    details: captured.details,
  }
}

/** False where somebody finished first, for then the rename fails: what lies there counts, and ours goes. */
async function moved(host: Host, partial: string, final: string): Promise<boolean> {
  try {
    await host.rename(partial, final)
    return true
  } catch (error) {
    if (!(await host.stat(join(final, MANIFEST)))) throw error
    await host.remove(partial)
    return false
  }
}
