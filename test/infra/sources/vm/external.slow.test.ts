/** Overlays while a guest's disks are copied: what is copied, what becomes of them whoever is killed, and that no data is lost. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { beginOverlays, collectOverlays, releaseOverlays } from '../../../../infra/sources/vm/external.ts'
import type { HeldDisk } from '../../../../infra/sources/vm/held.ts'
import { overlayOf } from '../../../../infra/sources/vm/overlay.ts'
import type { Guest as Addressed } from '../../../../infra/tools/guest.ts'
import { makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'

const id = 'zeus-20261121T020000Z'

requires('libvirt')('overlays', () => {
  let libvirt: Libvirt
  let guest: Guest
  let zeus: Addressed
  let disks: HeldDisk[]
  let place: Awaited<ReturnType<typeof makeDirectory>>
  const copied = () => collectOverlays(zeus, id, disks, { host: zeus.host, signal, progress: () => undefined })
  const signal = new AbortController().signal
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const release = (limit = 60_000, held = disks) => releaseOverlays(zeus, id, { disks: held, limit, signal, warn })
  const overlays = async () => (await readdir(guest.directory)).filter(name => name.includes('overlay'))
  const sources = async () => (await libvirt.virsh('domblklist', 'zeus')).split(/\s+/).filter(word => word.startsWith('/'))

  beforeAll(async () => {
    libvirt = await startLibvirt()
    guest = await defineGuest(libvirt, { name: 'zeus', disks: [{ size: 512 * MB, backing: 'raw' }, { format: 'raw' }] })
    zeus = { host: localHost(), uri: libvirt.uri, domain: 'zeus' }
    place = await makeDirectory()
    disks = guest.disks.map(({ target, path, format, size }) => ({
      ...{ target, source: path, format, capacity: size, artifact: `zeus_${target}.qcow2` },
      staged: join(place.path, `zeus_${target}.qcow2`),
      overlay: overlayOf({ target, source: path, type: 'file' }, id, place.path),
    }))
    await guest.boot()
  }, 120_000)
  afterAll(async () => {
    await libvirt?.stop()
    await place?.remove()
  })
  afterEach(async () => {
    warnings.length = 0
    expect(await overlays()).toEqual([])
    expect(await sources()).toEqual(guest.disks.map(({ path }) => path))
  })

  test('the copy holds everything up to their beginning, and the disks everything after their end', {
    timeout: 120_000,
  }, async () => {
    const before = await guest.synced()
    await beginOverlays(zeus, id, disks)
    const between = await guest.moreRecords(5)
    await copied()
    await release()
    await release()
    for (const { staged = '' } of disks) {
      const records = await readRecords(staged)
      expect(records).toMatchObject({ clean: true, faults: [] })
      expect(records.last).toBeGreaterThanOrEqual(before)
      expect(records.last).toBeLessThan(between)
    }
    const last = await guest.moreRecords(2)
    await guest.shutdown()
    expect((await readRecords(guest.disks[0]?.path ?? '')).last).toBeGreaterThanOrEqual(last)
    await guest.boot()
  })

  test('a guest that ends is merged where it lies, and its next start knows no overlay', { timeout: 120_000 }, async () => {
    await beginOverlays(zeus, id, disks)
    const written = await guest.moreRecords(3)
    await guest.kill9()
    expect(await overlays()).toHaveLength(2)
    await release(1000, [])
    for (const { path } of guest.disks) expect((await readRecords(path)).last).toBeGreaterThanOrEqual(written)
    await guest.boot()
    expect(await guest.synced()).toBeGreaterThanOrEqual(written)
  })

  test('a merge that does not get done is waited for, said, tried again, and loses nothing', { timeout: 120_000 }, async () => {
    await beginOverlays(zeus, id, disks)
    await guest.fill(60 * MB)
    // As a release that was killed left it, on a disk too slow for what the guest writes.
    await libvirt.virsh('blockcommit', 'zeus', 'vda', '--active', '--shallow', '--bandwidth', '1')
    await expect(release(1500)).rejects.toThrow(/vda of zeus is not merged yet: \d+ MB are left/)
    expect(warnings).toEqual([expect.stringContaining('waiting for it')])
    expect(existsSync(disks[0]?.overlay ?? '')).toBe(true)
    expect(await guest.state()).toBe('running')
    await libvirt.virsh('blockjob', 'zeus', 'vda', '--bandwidth', '0')
    await release()
    await guest.exec(['rm', '/mnt/bulk'])
  })

  test('a guest that is shut down in mid-merge has everything in its disks', { timeout: 120_000 }, async () => {
    await beginOverlays(zeus, id, disks)
    await guest.fill(60 * MB)
    await libvirt.virsh('blockcommit', 'zeus', 'vda', '--active', '--shallow', '--bandwidth', '1')
    const written = await guest.synced()
    const released = release()
    await Promise.all([released, guest.shutdown()])
    expect(await overlays()).toEqual([])
    for (const { path } of guest.disks) expect((await readRecords(path)).last).toBeGreaterThanOrEqual(written)
    await guest.boot()
  })

  test('libvirtd that is killed in mid-merge costs nothing but a second try', { timeout: 120_000 }, async () => {
    await beginOverlays(zeus, id, disks)
    await guest.fill(60 * MB, '/mnt/more')
    await libvirt.virsh('blockcommit', 'zeus', 'vda', '--active', '--shallow', '--bandwidth', '1')
    await libvirt.kill9()
    await expect(release()).rejects.toThrow()
    await libvirt.restart()
    await libvirt.virsh('blockjob', 'zeus', 'vda', '--bandwidth', '0')
    await release()
    expect(await guest.state()).toBe('running')
  })

  test("somebody else's snapshot above or inside them is not destroyed", { timeout: 120_000 }, async () => {
    await beginOverlays(zeus, id, disks)
    const theirs = join(guest.directory, 'theirs')
    const mine = disks[0]?.overlay ?? ''
    await libvirt.virsh(
      ...[
        'snapshot-create-as',
        'zeus',
        '--no-metadata',
        '--disk-only',
        '--diskspec',
        `vda,file=${theirs}`,
        '--diskspec',
        'vdb,snapshot=no',
      ],
    )
    await expect(release()).rejects.toThrow(`still needs ${mine}`)
    expect(existsSync(mine)).toBe(true)
    await libvirt.virsh('blockcommit', 'zeus', 'vda', '--active', '--shallow', '--pivot')
    await release()
  })

  test('what copies a disk that was merged meanwhile fails', { timeout: 120_000 }, async () => {
    await beginOverlays(zeus, id, disks)
    await release()
    await expect(copied()).rejects.toThrow('no longer writes vda to the overlay')
  })
})
