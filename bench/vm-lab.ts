/** A libvirt of the bench's own, guests on it whose disks are nearly full, and a Holdfast that protects them. */
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Options } from '../infra/sources/vm/options.ts'
import { defineGuest, type Guest } from '../test/services/guest.ts'
import { MB } from '../test/services/guest-disks.ts'
import { type House, openHouse } from '../test/services/house.ts'
import { type Libvirt, startLibvirt } from '../test/services/libvirt.ts'
import { diskPlace, type Place } from './place.ts'
import { scaled } from './scale.ts'

export interface Lab extends AsyncDisposable {
  libvirt: Libvirt
  place: Place
  /** A guest with one disk of so many GB; nothing in it writes by itself. Not started. */
  guest(name: string, gigabytes: number): Promise<Guest>
}

/** What ext4 itself and the increments need is left free. */
const FILLED = 0.85
/** An id has a resolution of one second: the same source is not asked for twice within one. */
const SECOND = 1100

export async function openLab(): Promise<Lab> {
  const [libvirt, place] = [await startLibvirt(), await diskPlace()]
  // QEMU's own user passes through it.
  await chmod(place.path, 0o711)
  return {
    libvirt,
    place,
    async guest(name, gigabytes) {
      const size = Math.round(scaled(gigabytes * 1024, 128)) * MB
      return await defineGuest(libvirt, {
        name,
        disks: [{ size, filled: Math.round(size * FILLED) }],
        writes: false,
        video: true,
      })
    },
    async [Symbol.asyncDispose]() {
      await libvirt.stop()
      await place[Symbol.asyncDispose]()
    },
  }
}

/** Overwrites one hundredth of the guest's disk. */
export async function change(guest: Guest): Promise<void> {
  await guest.fill((guest.disks[0]?.size ?? 0) / 100)
}

/** Sources by name, with what their options say beside the libvirt. Nothing goes while we measure. */
export async function openVmHouse({ libvirt, place }: Lab, sources: Record<string, object>): Promise<House> {
  const given = (options: object) => ({ kind: 'vm', options: Options.parse({ uri: libvirt.uri, ...options }) })
  return await openHouse({
    directory: place.path,
    // As shipped: what is measured here must not be a test's haste.
    ackWait: 30_000,
    attempts: 1,
    sources: Object.fromEntries(Object.entries(sources).map(([name, options]) => [name, given(options)])),
    plans: { often: { keep: { last: 1000 } } },
  })
}

export interface BackedUp {
  /** Of the clock of `performance.now()`. */
  asked: number
  verified: number
  directory: string
}

const Fact = z.looseObject({
  type: z.string(),
  data: z.looseObject({ directory: z.string().optional(), outcome: z.string().optional(), error: z.unknown().optional() }),
})

/** Asks for one backup and waits until its run is over. Throws where it was not simply done. */
export async function backUp({ cell: { connection, prefix }, tick }: House, source: string): Promise<BackedUp> {
  await sleep(SECOND)
  const facts = connection.subscribe(`${prefix}.*.*.*.${source}.>`)
  await connection.flush()
  const asked = performance.now()
  const run = { asked, verified: 0, directory: '' }
  await tick({ sources: [source] })
  for await (const message of facts) {
    const { type, data } = Fact.parse(JSON.parse(message.string()))
    if (data.error) throw new Error(`${type}: ${JSON.stringify(data.error)}`)
    if (type.endsWith('verify.done')) Object.assign(run, { verified: performance.now(), directory: data.directory })
    if (!type.endsWith('report.done')) continue
    if (data.outcome !== 'done') throw new Error(`the backup was not simply done: ${message.string()}`)
    break
  }
  return run
}

/** Seconds from the request to `verify.done`. */
export function secondsOf({ asked, verified }: BackedUp): number {
  return (verified - asked) / 1000
}

/** Where the house keeps its backups. */
export function rootOf({ place }: Lab): string {
  return join(place.path, 'backups')
}
