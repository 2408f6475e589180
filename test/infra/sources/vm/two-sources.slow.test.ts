/** Two sources of one domain: what the one does to its disks meanwhile is not what the other captures. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { vm } from '../../../../infra/sources/vm.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { verbsOf } from './verbs.ts'

requires('libvirt')('two sources of one domain', () => {
  let place: Directory
  let libvirt: Libvirt
  let guest: Guest

  beforeAll(async () => {
    place = await makeDirectory()
    libvirt = await startLibvirt()
    const disks = [{ size: 64 * MB }, { size: 64 * MB }]
    guest = await defineGuest(libvirt, { name: 'zeus', agent: 'absent', writes: false, disks })
    await guest.start()
  }, 60_000)
  afterAll(async () => {
    await libvirt?.stop()
    await place?.remove()
  })

  const other = (id: string) => ({
    ...{ host: localHost(), source: 'ares', id, root: place.path, mode: undefined, signal: new AbortController().signal },
    options: vm.options.parse({ uri: libvirt.uri, domain: 'zeus', quiesce: 'never', excludeDisks: ['vdb'] }),
    ...{ progress: () => undefined, warn: () => undefined, earlier: async () => [] },
  })

  test('while one is on its overlays the other is refused and tried again, and then captures the disk itself', async () => {
    const options = { uri: libvirt.uri, method: 'external', quiesce: 'never' }
    const verbs = verbsOf({ root: place.path, id: 'zeus-20261121T020000Z', options })
    const held = await verbs.snapshot()
    const work = other('ares-20261121T020000Z')
    await expect(vm.snapshot(work)).rejects.toMatchObject({
      message: 'vda of zeus is on the overlay of zeus-20261121T020000Z, a backup of another source',
      hint: expect.stringContaining('This is tried again'),
      retryable: true,
    })
    await vm.abandon?.(work)
    await verbs.export(held)
    await verbs.release(held)

    const second = await vm.snapshot(work)
    expect(second.held).toMatchObject({ disks: [{ target: 'vda', source: guest.disks[0]?.path }] })
    await vm.release?.({ ...work, held: second.held })
    expect(await libvirt.virsh('domblklist', 'zeus')).not.toContain('overlay')
    expect(await localHost().stat(join(place.path, '.vm-ares-20261121T020000Z'))).toBeUndefined()
  }, 60_000)
})
