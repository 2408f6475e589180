/**
 * The drill that a host is at: one at a time, and its backup is not pruned meanwhile. Noted with compare-and-set in the bucket
 * `run`, under a key that no source can have; a note has no time limit, and whoever finds one that is over clears it.
 */
import type { EventKind } from './event.ts'
import { events } from './events.ts'
import type { Context } from './function.ts'

/** What whoever looks at drills has to read. */
export const drillEnds: readonly EventKind[] = [events.drill.done, events.drill.failed]

export interface Drilling {
  host: string
  source: string
  id: string
  request: string
}

type Bus = Pick<Context<unknown>, 'run' | 'find'>

/** The other drill's name where the host is at one; undefined once it is ours. */
export async function beginDrill(mine: Drilling, bus: Bus): Promise<string | undefined> {
  for (;;) {
    if (await bus.run.create(keyOf(mine.host), textOf(mine))) return undefined
    const found = await bus.run.get(keyOf(mine.host))
    if (!found) continue
    if (found.value === textOf(mine)) return undefined
    if (!(await isOver(mine.host, found.value, bus))) return found.value
    await bus.run.remove(keyOf(mine.host), found.revision)
  }
}

export async function endDrill(mine: Drilling, { run }: Pick<Bus, 'run'>): Promise<void> {
  const found = await run.get(keyOf(mine.host))
  if (found?.value === textOf(mine)) await run.remove(keyOf(mine.host), found.revision)
}

/** Whether a drill is at work on a backup. */
export async function isDrilled(
  { host, id }: Pick<Drilling, 'host' | 'id'>,
  bus: Pick<Bus, 'find'> & { run: Pick<Bus['run'], 'get'> },
): Promise<boolean> {
  const found = await bus.run.get(keyOf(host))
  return found !== undefined && found.value.split(' ')[1] === id && !(await isOver(host, found.value, bus))
}

async function isOver(host: string, value: string, { find }: Pick<Bus, 'find'>): Promise<boolean> {
  const [source = '', id = '', request = ''] = value.split(' ')
  const drill = { host, source, id, request }
  return (await Promise.all(drillEnds.map(end => find(end, drill)))).some(end => end !== undefined)
}

function keyOf(host: string): string {
  return `drill.${host}`
}

function textOf({ source, id, request }: Drilling): string {
  return `${source} ${id} ${request}`
}
