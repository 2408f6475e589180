/** What a domain was before a restore touched it, noted once, so that it can be put back after any interruption. */
import { join } from 'node:path'
import { z } from 'zod'
import { type Guest, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import type { RestoreWork } from '../source.ts'
import { existing } from './find-domain.ts'

const Before = z.object({
  /** Null where there was no such domain. */
  xml: z.string().nullable(),
  active: z.boolean(),
  /** The restored guest was started: it may be switched off without being asked. */
  started: z.boolean(),
})
export type Before = z.infer<typeof Before>

type Work = Pick<RestoreWork<unknown>, 'host' | 'scratch'>

/** As it was noted; undefined where nothing was yet. */
export async function noted({ host, scratch }: Work): Promise<Before | undefined> {
  const bytes = await host.readIfThere(file(scratch))
  return bytes && Before.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
}

/** Looks, and notes it; what was noted before stays. */
export async function noteBefore(work: Work, guest: Guest): Promise<Before> {
  return (await noted(work)) ?? (await note(work, await lookAt(guest)))
}

export async function note({ host, scratch }: Work, before: Before): Promise<Before> {
  await host.makeDirectory(scratch)
  await host.write(file(scratch), JSON.stringify(before))
  return before
}

/** With its passwords: this is to be put back as it was. */
async function lookAt(guest: Guest): Promise<Before> {
  if (!(await existing(guest))) return { xml: null, active: false, started: false }
  const xml = await xmlOf(guest, { inactive: true, security: true })
  return { xml, active: isActive(await stateOf(guest)), started: false }
}

function file(scratch: string): string {
  return join(scratch, 'before.json')
}
