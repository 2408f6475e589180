/** Running guests, captured through the whole chain: increments and copies. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { events, type House, openHouse } from '../../../services/house.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'

requires('libvirt')('a running guest', () => {
  let libvirt: Libvirt
  let guest: Guest
  let place: Awaited<ReturnType<typeof makeDirectory>>
  let house: House

  beforeAll(async () => {
    libvirt = await startLibvirt()
    guest = await defineGuest(libvirt, { name: 'zeus', disks: [{ size: 256 * MB }, { format: 'raw' }] })
    await guest.boot()
    place = await makeDirectory()
    house = await openHouse({
      directory: place.path,
      sources: { zeus: { kind: 'vm', options: Options.parse({ uri: libvirt.uri }) } },
    })
  }, 60_000)
  afterAll(async () => {
    await house?.stop()
    await libvirt?.stop()
    await place?.remove()
  })

  test('the first backup is whole, the next ones hold what changed', async () => {
    const synced: number[] = []
    for (const count of [1, 2, 3]) {
      synced.push(await guest.moreRecords(3))
      await house.tick({ sources: ['zeus'] })
      await house.hears(events.report.done, count)
    }
    for (const [index, backup] of (await house.said(events.verify.done)).entries()) {
      const records = await readRecords(join(backup.directory, 'zeus_vda.qcow2'))
      expect(records).toMatchObject({ clean: true, replayed: false, faults: [] })
      expect(records.last).toBeGreaterThanOrEqual(synced[index] ?? 0)
    }
  }, 60_000)
})
