/** The slow re-reading of a chain: with each new increment one older member is read through, the one checked longest ago. */
import { ancestorsOf, type Member } from './chain.ts'
import { VerificationFailed } from './errors.ts'
import type { Host } from './hosts/host.ts'
import type { Backup } from './inventory.ts'
import type { Check } from './manifest.ts'
import { checkArtifacts } from './tools/checksums.ts'

/** Named in the `verified.json` of the backup whose verification did it. */
const SCRUBBED = 'older backup re-read'

/** A member that was read through since is left alone: most runs read only what they wrote. */
const SCRUB_AFTER = 3 * 24 * 3600_000

/** The chain below a backup cannot be restored any more. */
export class ChainDamaged extends VerificationFailed {
  override name = 'ChainDamaged'
  /** The damaged member and all that build on it, as far as they lie there. */
  readonly lost: readonly Backup[]

  constructor(lost: readonly Backup[], id: string, cause: Error) {
    super(`${id} builds on what is damaged: ${cause.message}`, {
      cause,
      hint: 'The next run begins a new chain with a full backup. What builds on the damaged one is restored from another copy.',
    })
    this.lost = lost
  }
}

/** Re-reads one member of the chain below a backup, where one is due. Throws `ChainDamaged`. */
export async function scrub(host: Host, backup: Member, signal: AbortSignal, now: Date = new Date()): Promise<Check[]> {
  const ancestors = await ancestorsOf(host, backup)
  const member = nextToScrub(ancestors, now)
  if (!member) return []
  const { manifest, directory } = member
  try {
    await checkArtifacts(host, directory, manifest, signal)
    return [{ name: SCRUBBED, result: manifest.id }]
  } catch (error) {
    if (!(error instanceof VerificationFailed)) throw error
    throw new ChainDamaged(ancestors.slice(0, ancestors.indexOf(member) + 1), backup.manifest.id, error)
  }
}

/** The one whose last check lies furthest back: its own verification, or a re-reading that a later member noted. Pure. */
export function nextToScrub<One extends Pick<Backup, 'manifest' | 'verified'>>(
  chain: readonly One[],
  now: Date,
): One | undefined {
  const last = lastChecks(chain)
  const age = ({ manifest }: One) => now.getTime() - Date.parse(last.get(manifest.id) ?? manifest.at)
  const due = chain.filter(one => age(one) >= SCRUB_AFTER)
  // Of two that were checked at the same time the older: more builds on it.
  return due.reduceRight<One | undefined>((oldest, one) => (oldest && age(oldest) >= age(one) ? oldest : one), undefined)
}

function lastChecks(chain: readonly Pick<Backup, 'manifest' | 'verified'>[]): Map<string, string> {
  const last = new Map(chain.flatMap(({ manifest, verified }) => (verified ? [[manifest.id, verified.at] as const] : [])))
  for (const { verified } of chain) {
    for (const { name, result } of verified?.checks ?? []) {
      const before = last.get(result)
      if (name === SCRUBBED && verified && before !== undefined && before < verified.at) last.set(result, verified.at)
    }
  }
  return last
}
