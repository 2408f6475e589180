import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withPasswords } from '../../../../infra/sources/vm/define.ts'
import { withDisks } from '../../../../infra/sources/vm/place-disks.ts'
import { macOf, pathFor, rename, uuidOf } from '../../../../infra/sources/vm/rename.ts'
import { describeDomain } from '../../../../infra/tools/domain-xml.ts'

const uuid = '8c5c7f0c-3c3f-4e7e-9a3e-0d9f6f0b1a11'
const xml = `<domain type='kvm'>
  <name>zeus</name>
  <uuid>${uuid}</uuid>
  <genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
  <metadata><app xmlns='urn:app'>kept</app></metadata>
  <memory unit='KiB'>262144</memory>
  <sysinfo type='smbios'><system><entry name='uuid'>${uuid}</entry><entry name='serial'>S1</entry></system></sysinfo>
  <os><type>hvm</type><nvram template='/t'>/var/lib/nvram/zeus_VARS.fd</nvram></os>
  <devices>
    <disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none'/><source dev='/dev/vg/zeus' index='2'><reservations managed='yes'/></source><target dev='vda'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/images/zeus-data.qcow2'/><backingStore type='file'><source file='/images/base.qcow2'/></backingStore><target dev='vdb'/>
    </disk>
    <disk type='file' device='disk'><source file='/images/zeus-swap.raw'/><target dev='vdc'/></disk>
    <disk type='file' device='cdrom'><source file='/iso/debian.iso'/><target dev='sda'/><readonly/></disk>
    <interface type='bridge'><mac address='52:54:00:12:34:56'/><source bridge='br0'/><target dev='vnet3'/></interface>
    <interface type='user'/>
    <serial type='file'><source path='/var/log/zeus.console'/><log file='/var/log/serial.log'/></serial>
    <console type='pty'/>
    <channel type='unix'><source mode='bind' path='/run/channel/domain-3-zeus/agent.0'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='vnc' port='5901' autoport='no' socket='/run/zeus.vnc'><listen type='socket' socket='/run/zeus.vnc'/></graphics>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'><source type='dir' path='/tpm/zeus'/></backend></tpm>
  </devices>
</domain>`
const disks = [
  { target: 'vda', path: '/images/copy_vda.raw', format: 'raw' },
  { target: 'vdb', path: '/images/copy_vdb.qcow2', format: 'qcow2' },
]

describe('a copy of a domain', () => {
  const renaming = { name: 'copy', seed: 'one', disks, nvram: '/var/lib/nvram/copy_VARS.fd', tpm: '/tpm/copy' }
  const renamed = rename(xml, renaming)

  test('shares with the original nothing that must be one of a kind', () => {
    const own = [
      '/dev/vg/zeus',
      '/images/zeus',
      '/images/base',
      uuid,
      '43dc0cf8',
      '52:54:00:12:34:56',
      'vnet3',
      '/var/log/zeus.console',
    ]
    const others = ['/tpm/zeus', 'zeus_VARS', 'domain-3-zeus', 'zeus.vnc', '5901', 'serial.log<', "'/var/log/serial.log'"]
    for (const unique of [...own, ...others]) expect(renamed.xml).not.toContain(unique)
    expect(renamed.leftOut).toEqual(['vdc'])
    expect(describeDomain(renamed.xml)).toMatchObject({
      name: 'copy',
      uuid: renamed.uuid,
      nvram: '/var/lib/nvram/copy_VARS.fd',
      ...{ tpm: '2.0', tpmStore: '/tpm/copy', agent: true },
    })
    expect(describeDomain(renamed.xml).disks).toMatchObject([
      { target: 'vda', type: 'file', format: 'raw', source: '/images/copy_vda.raw' },
      { target: 'vdb', type: 'file', format: 'qcow2', source: '/images/copy_vdb.qcow2' },
    ])
    expect(renamed.xml).toContain(`<entry name="uuid">${renamed.uuid}</entry>`)
  })

  test('keeps the rest as it was', () => {
    for (const kept of ['urn:app', 'br0', '/iso/debian.iso', 'cache="none"', 'S1', 'org.qemu.guest_agent.0'])
      expect(renamed.xml).toContain(kept)
    expect(renamed.xml.match(/<mac /g)).toHaveLength(2)
  })

  test('is the same again with the same seed, and another with another', () => {
    expect(rename(xml, renaming)).toEqual(renamed)
    expect(rename(xml, { ...renaming, seed: 'two' }).uuid).not.toBe(renamed.uuid)
  })

  test('without variables and a TPM of its own libvirt makes new ones', () => {
    const bare = describeDomain(rename(xml, { ...renaming, nvram: undefined, tpm: undefined }).xml)
    expect({ nvram: bare.nvram, tpm: bare.tpm, store: bare.tpmStore }).toEqual({ nvram: undefined, tpm: '2.0', store: undefined })
  })
})

test('for every seed a UUID and a MAC are well formed', () => {
  fc.assert(
    fc.property(fc.string(), seed => {
      expect(uuidOf(seed)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(macOf(seed)).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/)
    }),
  )
})

test('for every two names, a file beside the original is another one', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
  fc.assert(
    fc.property(name, name, fc.stringMatching(/^[a-z.]{1,9}$/), (old, copy, file) => {
      fc.pre(old !== copy)
      expect(pathFor(`/log/${file}`, old, copy)).not.toBe(`/log/${file}`)
      expect(pathFor(`/log/${old}.console`, old, copy)).toBe(`/log/${copy}.console`)
    }),
  )
})

test('restored disks stand on nothing and lie where they are told; the others stay', () => {
  const changed = withDisks(xml, disks)
  expect(changed).not.toContain('backingStore')
  expect(describeDomain(changed).disks.map(({ source }) => source)).toEqual([
    disks[0]?.path,
    disks[1]?.path,
    '/images/zeus-swap.raw',
  ])
  expect(describeDomain(changed)).toMatchObject({ name: 'zeus', uuid })
})

const secret = "<encryption format='luks'><secret type='passphrase' uuid='5d2f6c1e-0000-4000-8000-000000000001'/></encryption>"

test.each([
  ['of the disk', xml.replace("<target dev='vdb'/>", `${secret}<target dev='vdb'/>`)],
  [
    'of its source',
    xml.replace("<source file='/images/zeus-data.qcow2'/>", `<source file='/images/zeus-data.qcow2'>${secret}</source>`),
  ],
])('a plain image is not opened with the encryption %s, in place or as a copy', (_, encrypted) => {
  expect(describeDomain(encrypted).disks[1]?.encrypted).toBe(true)
  expect(withDisks(encrypted, disks)).not.toContain('encryption')
  expect(rename(encrypted, { name: 'copy', seed: 'one', disks }).xml).not.toContain('encryption')
  const there = disks.map(disk => ({ ...disk, encrypted: true }))
  expect(describeDomain(withDisks(encrypted, there)).disks[1]?.encrypted, 'what is no image of ours').toBe(true)
})

test('a screen keeps its password, and gets none that is not its own', () => {
  const now = xml.replace("<graphics type='vnc'", "<graphics type='vnc' passwd='secret' passwdValidTo='2027-01-01T00:00:00'")
  expect(withPasswords(xml, now)).toMatch(/<graphics type="vnc"[^>]* passwd="secret"/)
  expect(withPasswords(xml.replace("type='vnc'", "type='spice'"), now)).not.toContain('secret')
  expect(withPasswords(now.replace('secret', 'kept'), now)).toContain('passwd="kept"')
})
