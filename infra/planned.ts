/** What planning remembers between ticks: each plan's newest slot, and each source's newest due. */
import { readInventory } from './inventory.ts'
import { parseBackupId } from './layout.ts'
import type { ProtectedSource } from './tools.ts'

export interface Remembered {
  get(key: string): Promise<{ value: string } | undefined>
  put(key: string, value: string): Promise<void>
}

/** The newest slot planned so far; undefined at first sight, when the present is noted instead. */
export async function lastSlot(
  source: ProtectedSource,
  plan: string,
  memory: Remembered,
  present: Date,
): Promise<Date | undefined> {
  const known = (await memory.get(`${source.name}.${plan}`))?.value
  if (known !== undefined && !isAhead(new Date(known), present)) return new Date(known)
  await memory.put(`${source.name}.${plan}`, await firstSight(source, plan, present))
  return undefined
}

/** The newest due of a source: an older one that has not begun is overtaken by it. */
export async function notePlanned(
  { source, id }: { source: string; id: string },
  memory: Remembered,
  present: Date,
): Promise<void> {
  const newest = await newestDue(source, memory, present)
  // No source's name begins with `_`, so this is no plan's slot.
  if (!newest || newest < id) await memory.put(`_due.${source}`, id)
}

/** The id of the newest due; undefined where there is none that can be believed. */
export async function newestDue(source: string, memory: Pick<Remembered, 'get'>, present: Date): Promise<string | undefined> {
  const newest = (await memory.get(`_due.${source}`))?.value
  const at = newest === undefined ? undefined : parseBackupId(newest)?.at
  return at && !isAhead(at, present) ? newest : undefined
}

/** Begins with the newest backup, else now: a new bus does not start everything at once. */
async function firstSight({ name, host, hostConfig }: ProtectedSource, plan: string, present: Date): Promise<string> {
  const { backups } = await readInventory(host, hostConfig.root, { source: name })
  const newest = backups.findLast(({ manifest }) => manifest.plans.includes(plan))?.manifest.at
  return newest && !isAhead(new Date(newest), present) ? newest : present.toISOString()
}

/** Noted by a clock that was wrong: what lies ahead of the present would stop everything until then. */
function isAhead(moment: Date, present: Date): boolean {
  return moment.getTime() > present.getTime() + 60_000
}
