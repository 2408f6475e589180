/** Copies the backup to every vault of its plans, side by side. One broken vault does not stop the others. */
import { events, type Verified } from '../bus/events.ts'
import { PartlyDone } from '../bus/function.ts'
import { addCopy } from '../infra/backups.ts'
import { HoldfastError, messageOf } from '../infra/errors.ts'
import { readBackup } from '../infra/inventory.ts'
import type { Copy, Manifest } from '../infra/manifest.ts'
import { defineFunction, type FunctionContext } from './define.ts'

export default defineFunction({
  name: 'replicate',
  on: [events.verify.done],
  emits: [events.replicate.copied, events.replicate.done],
  async handle(backup, context) {
    const { tools } = context
    const { host } = tools.source(backup.source)
    const manifest = (await readBackup(host, backup.directory))?.manifest
    if (!manifest) throw new HoldfastError(`${backup.directory} is gone before it was copied`, { retryable: false })
    const vaults = vaultsOf(backup, context)
    const results = await Promise.allSettled(vaults.map(vault => copyTo(vault, backup, manifest, context)))
    const copies = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    for (const copy of copies) await addCopy(host, backup.directory, copy)
    const said = copies.map(copy => events.replicate.copied({ id: backup.id, source: backup.source, host: backup.host, ...copy }))
    const broken = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ vault: vaults[index] ?? '', reason: result.reason }] : [],
    )
    const fatal = broken.filter(({ vault }) => tools.vault(vault).config.required)
    if (fatal.length) throw partlyDone(said, fatal)
    const missing = broken.map(({ vault, reason }) => ({ vault, error: messageOf(reason).slice(0, 1000) }))
    return [...said, events.replicate.done({ ...backup, copies, missing })]
  },
})

/** The vaults of all plans that made this backup; an ad-hoc one without plans goes where its source's plans go. */
function vaultsOf(backup: Verified, { tools }: FunctionContext): string[] {
  const plans = backup.plans.length ? backup.plans : tools.source(backup.source).config.plans
  return [...new Set(plans.flatMap(plan => tools.plan(plan).vaults))]
}

async function copyTo(
  name: string,
  { directory, source }: Verified,
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
