/** Guests, a libvirt of their own and a whole Holdfast that protects them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { DataOf } from '../../../../bus/event.ts'
import { Details } from '../../../../infra/sources/vm/details.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import type { Kinds } from '../../../../infra/tools.ts'
import { makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest, type GuestOptions } from '../../../services/guest.ts'
import { events, type House, openHouse } from '../../../services/house.ts'
import { type Libvirt, type LibvirtOptions, startLibvirt } from '../../../services/libvirt.ts'
import { readRecords } from '../../../services/records.ts'
import { until } from '../../../services/until.ts'

export type Verified = DataOf<typeof events.verify.done>
export type Failed = DataOf<typeof events.snapshot.failed> | DataOf<typeof events.export.failed>

export interface SceneOptions extends LibvirtOptions {
  guests: readonly GuestOptions[]
  /** By name of the source. Default: one for each guest, named after it. */
  sources?: Record<string, unknown>
  /** Where Holdfast works. Default: a directory of the scene's own. */
  directory?: string
  /** Default: all there are, as they are. */
  kinds?: Kinds
}

export interface Scene extends AsyncDisposable {
  libvirt: Libvirt
  house: House
  guests: readonly Guest[]
  /** The first. */
  guest: Guest
  /** Asks for a backup, of the first source unless told, and waits for the end of its run. */
  backUp(asked?: Asked): Promise<Verified>
  /** The same for one that is to fail, and says why. */
  failToBackUp(asked?: Asked): Promise<Failed>
  /** Of a running guest: it runs, thawed, without a job; only these checkpoints, no stage and no unfinished backup are there. */
  expectSettled(guest: Guest, checkpoints: readonly string[]): Promise<void>
}

export interface Asked {
  source?: string
  mode?: string
}

/** All guests run and answer when this returns. */
export async function openScene({ guests: wanted, sources, directory, kinds, ...lab }: SceneOptions): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const place = stack.use(await makeDirectory())
  const libvirt = stack.use(await startLibvirt(lab))
  const guests = await Promise.all(wanted.map(guest => defineGuest(libvirt, guest)))
  const [guest] = guests
  if (!guest) throw new Error('a scene has a guest')
  await Promise.all(guests.map((each, index) => (wanted[index]?.agent ? each.start() : each.boot())))
  const named = sources ?? Object.fromEntries(guests.map(({ name }) => [name, {}]))
  const house = await openHouse({
    directory: directory ?? place.path,
    sources: Object.fromEntries(
      Object.entries(named).map(([name, options]) => [name, { kind: 'vm', options: optionsOf(libvirt, options) }]),
    ),
    plans: { nightly: { keep: { last: 20 } } },
    concurrency: 2,
    ...(kinds && { kinds }),
  })
  stack.defer(() => house.stop())
  const run = async ({ source = Object.keys(named)[0] ?? '', mode }: Asked = {}) => {
    const before = (await house.said(events.report.done)).filter(said => said.source === source).length
    await house.tick({ sources: [source], ...(mode && { mode }) })
    await until(
      `the run of ${source} ends`,
      async () => (await house.said(events.report.done)).filter(said => said.source === source).length > before,
      { seconds: 60 },
    )
    return (await house.said(events.report.done)).findLast(said => said.source === source)?.id ?? ''
  }
  const disposing = stack.move()
  return {
    libvirt,
    house,
    guests,
    guest,
    async backUp(asked) {
      const id = await run(asked)
      const verified = (await house.said(events.verify.done)).find(said => said.id === id)
      if (!verified) throw new Error(`${id} failed: ${JSON.stringify(await failuresOf(house, id))}`)
      return verified
    },
    async failToBackUp(asked) {
      const id = await run(asked)
      const [failed] = await failuresOf(house, id)
      if (!failed) throw new Error(`${id} did not fail`)
      return failed
    },
    async expectSettled(each, checkpoints) {
      expect(await each.state()).toBe('running')
      expect(await each.frozen()).toBe(false)
      expect(await libvirt.virsh('domjobinfo', each.name)).toMatch(/^Job type: +None/)
      const names = await libvirt.virsh('checkpoint-list', each.name, '--topological', '--name')
      expect(names.split('\n').filter(name => name !== '')).toEqual(checkpoints)
      expect((await readdir(house.root)).filter(name => name.startsWith('.vm-'))).toEqual([])
      const days = (await readdir(house.root)).filter(name => /^\d/.test(name))
      const backups = await Promise.all(days.map(day => readdir(join(house.root, day))))
      expect(backups.flat().filter(name => name.startsWith('.'))).toEqual([])
    },
    [Symbol.asyncDispose]: () => disposing.disposeAsync(),
  }
}

function optionsOf({ uri }: Libvirt, options: unknown): Options {
  return Options.parse({ uri, ...(typeof options === 'object' ? options : {}) })
}

async function failuresOf(house: House, id: string): Promise<Failed[]> {
  const all = [...(await house.said(events.snapshot.failed)), ...(await house.said(events.export.failed))]
  return all.filter(failed => failed.id === id)
}

/** What its manifest says of the domain. */
export async function detailsOf({ directory }: Pick<Verified, 'directory'>): Promise<Details> {
  return Details.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')).details)
}

/** That a disk of a backup holds every record that was synced before it, and no file system is damaged. Says the last record. */
export async function expectRecords(image: string, synced: number, frozen = true): Promise<number> {
  const records = await readRecords(image)
  expect(records, image).toMatchObject({ clean: true, faults: [], ...(frozen && { replayed: false }) })
  expect(records.last, image).toBeGreaterThanOrEqual(synced)
  return records.last
}
