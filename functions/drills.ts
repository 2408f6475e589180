/** Names the backups whose turn it is to be drilled: of each source the newest verified one that protects, in the rhythm of its plans. */
import { events } from '../bus/events.ts'
import { together } from '../bus/failure.ts'
import { TICK } from '../bus/function.ts'
import { isDrillable } from '../infra/drill.ts'
import { readInventory } from '../infra/inventory.ts'
import type { ProtectedSource } from '../infra/tools.ts'
import { defineTickFunction, type FunctionContext } from './define.ts'

export default defineTickFunction({
  name: 'drills',
  on: TICK,
  emits: [events.drills.due],
  remembers: ['planned'],
  async handle(tick, context) {
    if (tick.error !== undefined || !tick.clock) return []
    return together(Object.keys(context.tools.configuration.sources).map(name => dueOf(name, context)))
  },
})

/** Asked for once a rhythm, however it ends: a drill that failed says so, and the next backup may be better. */
async function dueOf(name: string, context: FunctionContext) {
  const source = context.tools.source(name)
  const rhythm = rhythmOf(source, context)
  if (rhythm === undefined || !isDrillable(source.driver)) return []
  const { planned, cause } = context
  const [asked, asker] = (await planned.get(keyOf(name)))?.value.split(' ') ?? []
  const isYoung = (moment: string) => cause.time.getTime() - Date.parse(moment) < rhythm
  // Asked by this very tick: a second try says the same again.
  if (asked !== undefined && asker !== cause.id && isYoung(asked)) return []
  const { host, hostConfig, config } = source
  const { backups } = await readInventory(host, hostConfig.root, { source: name })
  // What lies inside its own source cannot be run beside it, and would use the rhythm up.
  const newest = backups.findLast(({ verified, failed, manifest }) => verified && !failed && manifest.protects !== false)
  if (!newest) return []
  const last = backups
    .flatMap(({ drills }) => drills.map(({ at }) => at))
    .toSorted()
    .at(-1)
  if (last !== undefined && isYoung(last)) {
    await planned.put(keyOf(name), last)
    return []
  }
  await planned.put(keyOf(name), `${cause.time.toISOString()} ${cause.id}`)
  const { id, host: made } = newest.manifest
  return [events.drills.due({ id, source: name, host: config.host, request: cause.id, label: made.label })]
}

/** The shortest of its plans. */
function rhythmOf({ config }: ProtectedSource, { tools }: FunctionContext): number | undefined {
  const rhythms = config.plans.flatMap(plan => tools.plan(plan).drill ?? [])
  return rhythms.length ? Math.min(...rhythms) : undefined
}

/** No source's name begins with `_`, so this is no plan's slot. */
function keyOf(source: string): string {
  return `_drill.${source}`
}
