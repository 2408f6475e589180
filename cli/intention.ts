/** What a restore is going to do, in words, before anybody is asked. */
import { z } from 'zod'
import { shownAddress } from '../infra/addresses.ts'
import type { Located } from '../infra/find.ts'
import type { Manifest } from '../infra/manifest.ts'
import { sourceOf } from '../infra/sources/all.ts'
import { away, moment, size } from './print.ts'
import type { Session } from './session.ts'

export interface IntentionOptions {
  to: string | undefined
  part?: string | undefined
  instant: boolean
  keepAside: boolean
  /** Where the configuration knows the source. */
  session: Session | undefined
}

export function intention({ id, copies }: Located, { to, part, instant, keepAside, session }: IntentionOptions): string[] {
  const [{ backup, place }] = copies
  const { manifest, directory, verified, failed } = backup
  const alive = sourceOf(manifest.kind)?.lifecycle !== undefined
  const kept = keepAside || (to === undefined && !alive && !healthKnown(manifest.source, session))
  const state = failed
    ? `its verification failed: ${failed.error}`
    : verified
      ? `verified ${away(verified.at)}`
      : 'never verified'
  return [
    `${id}  ${manifest.kind}  ${size(manifest.bytes)}  of ${moment(manifest.at)} (${away(manifest.at)}), ${state}`,
    `  from     ${place.name}: ${directory}`,
    `  to       ${to ?? originOf(manifest)}`,
    ...(part === undefined ? [] : [`  part     ${part} alone`]),
    ...(to === undefined && alive && part !== 'workspace'
      ? ['  stop     it is shut down, and started again on what is restored']
      : []),
    ...(to === undefined && !alive ? serviceLines(manifest.source, session) : []),
    ...(instant ? ['  instant  it runs from the backup at once, which is held until all of it is in place'] : []),
    `  safety   ${instant ? 'its last verification is trusted' : 'it is proven first'}; what is there is moved aside until the new data checks out${kept ? ', and kept' : ''}`,
  ]
}

const Origin = z.object({
  path: z.string().optional(),
  roots: z.array(z.string()).optional(),
  domain: z.string().optional(),
})

/** Kinds say in the details where the data came from, as a path or as several. */
function originOf({ details }: Manifest): string {
  const { path, roots, domain } = Origin.parse(details)
  return path ?? roots?.join(', ') ?? domain ?? 'where it came from'
}

function healthKnown(source: string, session: Session | undefined): boolean {
  return session?.tools.source(source).config.health !== undefined
}

function serviceLines(source: string, session: Session | undefined): string[] {
  const config = session?.tools.source(source).config
  if (!config) return ['  service  not known without a configuration: stop what uses the data yourself']
  const { service, health } = config
  const healthy = (health?.http && shownAddress(health.http)) ?? health?.command?.join(' ')
  if (!service) return ['  service  none is configured: stop what uses the data yourself']
  return [
    `  service  ${service.stop.join(' ')}, then ${service.start.join(' ')}${healthy ? `; it is well when ${healthy} says so` : ''}`,
  ]
}
