/** The desk: answers requests on `<prefix>.run`, `.restore`, `.drill`, `.verify`, `.prune` and `.status`. The first reply is the answer. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { events, TickData } from '../bus/events.ts'
import { isAtWork, workEnds } from '../bus/hold.ts'
import type { Endpoint, RequestContext, RequestFunction } from '../bus/requests.ts'
import { refuseDestination } from '../infra/destination.ts'
import { refuseDrill } from '../infra/drill.ts'
import { InvalidInput } from '../infra/errors.ts'
import { locate } from '../infra/find.ts'
import { placesOf } from '../infra/places.ts'
import { prove } from '../infra/proof.ts'
import { locateToRestore } from '../infra/recover.ts'
import { refuseInstant } from '../infra/restore/instant.ts'
import { refuseUnknownPart } from '../infra/restore/prepare.ts'
import { planRotation, rotate } from '../infra/rotation.ts'
import { statusOf } from '../infra/status.ts'
import type { Tools } from '../infra/tools.ts'

type Context = RequestContext<Tools>

function endpoint<Request>(
  name: string,
  request: z.ZodType<Request>,
  answer: Endpoint<Tools, Request>['answer'],
): Endpoint<Tools, Request> {
  return { name, request, answer }
}

const RestoreRequest = z.strictObject({
  id: z.string().min(1).max(200),
  vault: z.string().optional(),
  to: z.string().min(1).max(4096).optional(),
  part: z.string().min(1).max(200).optional(),
  keepAside: z.boolean().optional(),
  instant: z.boolean().optional(),
})
const DrillRequest = z.strictObject({ id: z.string().min(1).max(200), vault: z.string().optional() })
const VerifyRequest = z.strictObject({ id: z.string().min(1).max(200), vault: z.string().optional() })
const PruneRequest = z.strictObject({ source: z.string().optional(), dryRun: z.boolean().default(false) })

export const ask: RequestFunction<Tools> = {
  name: 'ask',
  on: 'requests',
  emits: [events.ask.restore, events.ask.drill],
  hears: [events.plan.due, events.plan.rejected],
  reads: workEnds,
  remembers: ['run'],
  endpoints: [
    endpoint('run', TickData, run),
    endpoint('restore', RestoreRequest, restore),
    endpoint('drill', DrillRequest, drill),
    endpoint('verify', VerifyRequest, verify),
    endpoint('prune', PruneRequest, prune),
    endpoint('status', z.strictObject({}), (_, { tools, run }) =>
      statusOf(tools, async source => (await run.get(source))?.value),
    ),
  ],
}

export default ask

/** The plan, or the error where nothing of what was asked could be planned. */
async function run(data: TickData, { tick }: Context) {
  const { cause, facts } = await tick(data)
  const planned = facts.flatMap(({ event, data: due }) =>
    event.type === events.plan.due.type ? [events.plan.due.schema.parse(due)] : [],
  )
  const rejected = facts.flatMap(({ event, data: no }) =>
    event.type === events.plan.rejected.type ? [events.plan.rejected.schema.parse(no)] : [],
  )
  const [first] = rejected
  if (first && planned.length === 0) {
    throw new InvalidInput(
      rejected.map(({ error }) => error.message).join('; '),
      first.error.hint ? { hint: first.error.hint } : {},
    )
  }
  return {
    cause,
    planned: planned.map(({ id, source, host, at, day, plans, mode, keep, reason }) => ({
      id,
      source,
      host,
      at,
      day,
      plans,
      mode,
      keep,
      reason,
    })),
    rejected: rejected.map(({ source, error }) => ({ source, error })),
  }
}

async function restore(asked: z.infer<typeof RestoreRequest>, { tools, publish }: Context) {
  const { vault, to, part } = asked
  const { id, copies } = await locateToRestore({ tools, places: placesOf(tools, vault) }, { text: asked.id, to })
  const { manifest } = copies[0].backup
  const { source, host: made } = manifest
  const { driver, config } = tools.source(source)
  const { host } = config
  // The worker's own directory is nothing the asker knows, and what is wrong is best said at once.
  refuseDestination(driver, { to, part })
  refuseUnknownPart(driver, manifest, part)
  if (asked.instant) refuseInstant(driver, part)
  const request = randomUUID()
  await publish(events.ask.restore({ ...asked, id, label: made.label, source, host, request }), request)
  return { request, id, source, host }
}

async function drill(asked: z.infer<typeof DrillRequest>, { tools, publish }: Context) {
  const { vault } = asked
  const { id, copies } = await locateToRestore({ tools, places: placesOf(tools, vault) }, { text: asked.id, to: undefined })
  const { source, host: made } = copies[0].backup.manifest
  const { driver, config } = tools.source(source)
  refuseDrill(source, driver)
  const request = randomUUID()
  await publish(
    events.ask.drill({ id, source, host: config.host, request, label: made.label, ...(vault ? { vault } : {}) }),
    request,
  )
  return { request, id, source, host: config.host }
}

async function verify({ id, vault }: z.infer<typeof VerifyRequest>, { tools, signal, log }: Context) {
  const { copies } = await locate(placesOf(tools, vault), id)
  const [{ backup, place }] = copies
  const { driver, config } = tools.source(backup.manifest.source)
  if (!place.host) throw new InvalidInput(`${place.name} cannot be read from here`, { hint: 'Ask the worker beside it.' })
  const work = {
    host: place.host,
    directory: backup.directory,
    driver,
    options: config.options,
    expected: backup.verified?.manifest,
    signal,
  }
  const { checks } = await prove({ ...work, progress: () => {}, warn: message => log.warn(message) })
  return { id: backup.manifest.id, place: place.name, directory: backup.directory, checks }
}

async function prune({ source, dryRun }: z.infer<typeof PruneRequest>, { tools, ...bus }: Context) {
  const names = source === undefined ? Object.keys(tools.configuration.sources) : [source]
  return Promise.all(names.map(name => pruneSource(name, dryRun, tools, bus)))
}

async function pruneSource(name: string, dryRun: boolean, tools: Tools, bus: Pick<Context, 'run' | 'find'>) {
  const source = tools.source(name)
  const host = source.config.host
  const { places, problems } = await planRotation({
    tools,
    source,
    inProgress: ({ manifest: { id, at }, verified, failed }) =>
      isAtWork({ id, source: name, host, at, proven: Boolean(verified ?? failed) }, bus),
  })
  const results = []
  for (const place of places) {
    const rotated = dryRun ? { removed: [], problems: [] } : await rotate(place)
    problems.push(...rotated.problems)
    const decisions = place.decisions.map(({ backup, keep, reasons }) => ({ id: backup.manifest.id, keep, reasons }))
    results.push({ place: place.place, decisions, removed: rotated.removed })
  }
  return { source: name, dryRun, places: results, problems }
}
