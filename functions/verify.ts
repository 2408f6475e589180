/** Proves the artifacts: the manifest is the one that was written, every checksum fits, and the kind itself can read them. */
import { join } from 'node:path'
import { events } from '../bus/events.ts'
import { writeDocument } from '../infra/backups.ts'
import { VerificationFailed } from '../infra/errors.ts'
import type { Host } from '../infra/hosts/host.ts'
import { FAILED, VERIFIED } from '../infra/layout.ts'
import { prove } from '../infra/proof.ts'
import { ChainDamaged, scrub } from '../infra/scrub.ts'
import { defineFunction } from './define.ts'

export default defineFunction({
  name: 'verify',
  on: [events.export.done],
  emits: [events.verify.done],
  async handle(backup, context) {
    const { tools, signal, progress } = context
    const { host, driver, config } = tools.source(backup.source)
    const { directory, manifest } = backup
    const at = new Date().toISOString()
    const warn = (message: string) => context.log.warn(message)
    try {
      const { manifest: proven, checks: own } = await prove({
        host,
        directory,
        driver,
        options: config.options,
        expected: manifest,
        signal,
        progress,
        warn,
      })
      const checks = [...own, ...(await scrub(host, { manifest: proven, directory }, signal))]
      await host.remove(join(directory, FAILED))
      await writeDocument(host, directory, VERIFIED, { at, manifest, checks })
      return events.verify.done({ ...backup, checks: checks.slice(0, 50), verified: at })
    } catch (error) {
      // Only what the backup itself is guilty of: a missing tool says nothing about it, and prune believes what stands there.
      if (error instanceof VerificationFailed) {
        const lost = error instanceof ChainDamaged ? error.lost.map(member => member.directory) : []
        for (const place of [...lost.toReversed(), directory]) await noteFailure(host, place, error, at)
      }
      throw error
    }
  },
  async withdraw(backup, { tools }) {
    await tools.source(backup.source).host.remove(join(backup.directory, VERIFIED))
  },
})

/** What a try before this one found counts no more. */
async function noteFailure(host: Host, directory: string, { message, hint }: VerificationFailed, at: string): Promise<void> {
  if (!(await host.stat(directory))) return
  await writeDocument(host, directory, FAILED, { at, error: message, ...(hint ? { hint } : {}) })
  await host.remove(join(directory, VERIFIED))
}
