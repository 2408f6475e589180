/** What uses the data: stopped before it is exchanged, started on what is there then. By the kind itself, by the source's service, or both. */
import { messageOf } from '../errors.ts'
import type { Check } from '../manifest.ts'
import type { Lifecycle } from '../sources/source.ts'
import { waitForHealth } from './health.ts'
import { instantOf } from './instant.ts'
import type { Journal } from './journal.ts'
import { type Restore, workOf } from './work.ts'

export interface Begun {
  checks: Check[]
  /** What is in place now was seen to work. */
  proven: boolean
}

export async function stop(restore: Restore, { steps }: Journal): Promise<void> {
  const { host, to, part, signal, warn } = restore
  const [service, lifecycle] = [serviceOf(restore), lifecycleOf(restore)]
  if (service) await host.run(service.stop, { signal })
  if (lifecycle) await lifecycle.stop()
  if (service || lifecycle || to !== undefined || part !== undefined) return
  warn(
    `nothing stops the program that uses ${steps.at(-1)?.target}: name its \`service\`, or stop it yourself before you restore`,
  )
}

export async function begin(restore: Restore): Promise<Begun> {
  const { host, health, to, signal } = restore
  const [service, lifecycle] = [serviceOf(restore), lifecycleOf(restore)]
  const started = await lifecycle?.start(true)
  if (service) await host.run(service.start, { signal })
  const healthy = health && to === undefined ? [await waitForHealth(host, health, signal)] : []
  return { checks: [...(started?.checks ?? []), ...healthy], proven: (started?.proven ?? false) || healthy.length > 0 }
}

/** For what did not work. What is broken may refuse to stop; the data goes back all the same, and the person hears of it. */
export async function stopBroken(restore: Restore): Promise<void> {
  const { host, signal } = restore
  const [service, lifecycle] = [serviceOf(restore), lifecycleOf(restore)]
  if (service) await attempt('stop the service', () => host.run(service.stop, { signal }), restore)
  if (lifecycle) await attempt('stop what uses the data', () => lifecycle.stop(), restore)
}

/** On what was there before. Returns what went wrong. */
export async function startAgain(restore: Restore): Promise<string[]> {
  const { host, signal } = restore
  const [service, lifecycle] = [serviceOf(restore), lifecycleOf(restore)]
  const own = lifecycle && (await attempt('start it again', () => lifecycle.start(false), restore))
  const other = service && (await attempt('start the service again', () => host.run(service.start, { signal }), restore))
  return [own, other].filter(problem => problem !== undefined)
}

/** A service uses the data in its own place. */
function serviceOf({ service, to }: Restore): Restore['service'] {
  return to === undefined ? service : undefined
}

function lifecycleOf(restore: Restore): Lifecycle | undefined {
  const work = workOf(restore)
  return restore.instant ? instantOf(restore.driver).lifecycle(work) : restore.driver.lifecycle?.(work)
}

async function attempt(what: string, deed: () => Promise<unknown>, { signal, warn }: Restore): Promise<string | undefined> {
  try {
    await deed()
    return undefined
  } catch (error) {
    if (signal.aborted) throw error
    const problem = `could not ${what}: ${messageOf(error)}`
    warn(problem)
    return problem
  }
}
