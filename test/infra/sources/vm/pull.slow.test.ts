import { execa } from 'execa'
import { expect, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { forgetBacking, pullDisk } from '../../../../infra/sources/vm/pull.ts'
import { defineGuest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'

requires('libvirt')('pulling disks into place', () => {
  test('what a guest that is off still lacks is copied, and its definition says nothing of it any more', async () => {
    await using libvirt = await startLibvirt()
    const { disks, xml } = await defineGuest(libvirt, {
      name: 'zeus',
      disks: [{ size: 64 * MB, filled: 8 * MB, backing: 'qcow2' }],
    })
    const [disk] = disks
    if (!disk?.backing) throw new Error('a disk without a backing file')
    const guest = { host: localHost(), uri: libvirt.uri, domain: 'zeus' }
    const source = `<source file='${disk.path}'/>`
    const below = `<backingStore type='file'><format type='qcow2'/><source file='${disk.backing}'/><backingStore/></backingStore>`
    await execa('sed', ['-i', `s#${source}#${source}${below}#`, xml])
    await libvirt.virsh('define', xml)
    const before = await contentOf(disk.path)
    await pullDisk(guest, disk, () => undefined)
    await pullDisk(guest, disk, () => undefined)
    expect(await contentOf(disk.path)).toBe(before)
    expect((await execa('qemu-img', ['info', disk.path])).stdout).not.toContain('backing file')
    const definition = await forgetBacking(guest, disks)
    expect(definition).toContain(disk.path)
    expect(definition).not.toContain(disk.backing)
  })
})

/** The sum of what the guest would see. */
async function contentOf(image: string): Promise<string> {
  await execa('qemu-img', ['convert', '-O', 'raw', image, `${image}.raw`])
  return (await execa('sha256sum', [`${image}.raw`])).stdout
}
