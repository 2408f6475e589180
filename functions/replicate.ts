/** Copies the backup to every vault of its plans, side by side. One broken vault does not stop the others. */
import { events, type Verified } from '../bus/events.ts'
import { PartlyDone } from '../bus/function.ts'
import { isAtWork, workEnds } from '../bus/hold.ts'
import { addCopies, type Noting } from '../infra/backups.ts'
import { ancestorsOf } from '../infra/chain.ts'
import { HoldfastError, messageOf } from '../infra/errors.ts'
import { type Backup, readInventory } from '../infra/inventory.ts'
import type { Copy, Manifest } from '../infra/manifest.ts'
import { vaultsOf } from '../infra/places.ts'
import { readManifest } from '../infra/proof.ts'
import { missingVaults } from '../infra/rotation.ts'
import { type WarningList, warningList } from '../infra/warnings.ts'
import { defineFunction, type FunctionContext } from './define.ts'

/** Copies of older backups that one run makes: it is this run that people wait for. */
const OLDER_AT_ONCE = 3

type Said = ReturnType<typeof events.replicate.copied>

export default defineFunction({
  name: 'replicate',
  on: [events.verify.done],
  emits: [events.replicate.copied, events.replicate.done],
  reads: workEnds,
  remembers: ['run'],
  async handle(backup, context) {
    const { tools } = context
    const { host } = tools.source(backup.source)
    const manifest = await readManifest(host, backup.directory, backup.manifest)
    const vaults = vaultsOf(tools, backup.source, backup.plans)
    const chain = await ancestorsOf(host, { manifest, directory: backup.directory })
    const below: Below[] = []
    // One after the other: they note their copies beside the same backups.
    for (const vault of vaults) below.push(await copyBelow(vault, chain, backup, context))
    const results = await Promise.allSettled(
      vaults.map(async (vault, index) => {
        const failed = below[index]?.error
        if (failed !== undefined) throw failed
        return await copyTo(vault, backup, manifest, context)
      }),
    )
    const copies = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    // Its report, in the same directory, makes the note last.
    const said = [...below.flatMap(({ said }) => said), ...(await noted(backup, copies, context, { lasting: false }))]
    const broken = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ vault: vaults[index] ?? '', reason: result.reason }] : [],
    )
    const fatal = broken.filter(({ vault }) => tools.vault(vault).config.required)
    if (fatal.length) throw partlyDone(said, fatal)
    const missing = broken.map(({ vault, reason }) => ({ vault, error: messageOf(reason).slice(0, 1000) }))
    const warnings = warningList(backup.warnings)
    const late = await copyOlder(backup, copies, warnings, context)
    return [...said, ...late, events.replicate.done({ ...backup, copies, missing, warnings: warnings.summary() })]
  },
})

interface Below {
  said: Said[]
  error?: unknown
}

/** What a backup builds on goes first, oldest first: a vault that lacks it, as a new one does, could not restore the copy. */
async function copyBelow(
  vault: string,
  chain: readonly Backup[],
  { source, host }: Verified,
  context: FunctionContext,
): Promise<Below> {
  const said: Said[] = []
  try {
    for (const { manifest, directory, copies } of chain.toReversed()) {
      if (copies.some(copy => copy.vault === vault)) continue
      const of = { id: manifest.id, source, host, directory }
      said.push(...(await noted(of, [await copyTo(vault, of, manifest, context)], context)))
    }
    return { said }
  } catch (error) {
    context.signal.throwIfAborted()
    return { said, error }
  }
}

/** Notes copies beside their backup, and says them. */
async function noted(
  of: Pick<Verified, 'id' | 'source' | 'host' | 'directory'>,
  copies: readonly Copy[],
  { tools }: FunctionContext,
  noting?: Noting,
): Promise<Said[]> {
  const { id, source, host, directory } = of
  await addCopies(tools.source(source).host, directory, copies, noting)
  return copies.map(copy => events.replicate.copied({ id, source, host, ...copy }))
}

/** What a vault missed while it was away or not yet required, oldest first. What fails here is a warning: this run has its copies. */
async function copyOlder(backup: Verified, copies: Copy[], warnings: WarningList, context: FunctionContext): Promise<Said[]> {
  const { tools, signal } = context
  const source = tools.source(backup.source)
  const reached = new Set(copies.map(({ vault }) => vault))
  const { backups } = await readInventory(source.host, backup.root, { source: source.name, except: backup.directory })
  const said: Said[] = []
  for (const older of backups) {
    const lacking = missingVaults(tools, source, older).filter(vault => reached.has(vault))
    if (said.length >= OLDER_AT_ONCE) break
    if (lacking.length === 0 || !(await isSettled(older, backup.host, context))) continue
    const of = { id: older.manifest.id, source: source.name, host: backup.host, directory: older.directory }
    for (const vault of lacking) {
      try {
        said.push(...(await noted(of, [await copyTo(vault, of, older.manifest, context)], context)))
      } catch (error) {
        if (signal.aborted) throw error
        warnings.add(`vault ${vault} still lacks ${of.id}: ${messageOf(error)}`)
      }
    }
  }
  return said
}

/** Verified, and no run of its own will copy it. */
async function isSettled({ manifest, verified, failed }: Backup, host: string, context: FunctionContext): Promise<boolean> {
  if (!verified || failed) return false
  const { id, source, at } = manifest
  return !(await isAtWork({ id, source, host, at, proven: true }, context))
}

async function copyTo(
  name: string,
  { directory, source }: Pick<Verified, 'directory' | 'source'>,
  manifest: Manifest,
  context: FunctionContext,
): Promise<Copy> {
  const { tools, fence, signal, progress } = context
  const { host } = tools.source(source)
  return tools.vault(name).vault.put({ host, directory, manifest, fence: String(fence), signal, progress })
}

function partlyDone(said: PartlyDone['facts'], fatal: { vault: string; reason: unknown }[]): PartlyDone {
  const message = fatal.map(({ vault, reason }) => `vault ${vault}: ${messageOf(reason)}`).join('; ')
  const errors = fatal.map(({ reason }) => reason)
  const known = errors.filter(error => error instanceof HoldfastError)
  const retryable = known.length < errors.length || known.some(error => error.retryable)
  return new PartlyDone(said, { message, hint: known[0]?.hint, retryable, cause: errors[0] })
}
