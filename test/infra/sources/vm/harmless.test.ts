import { expect, test } from 'vitest'
import { harmless } from '../../../../infra/sources/vm/harmless.ts'
import { describeDomain } from '../../../../infra/tools/domain-xml.ts'

const xml = `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>zeus</name><uuid>8b9d1d9c-4c4b-4f7a-9a3a-0d5a7a3f5f11</uuid><memory>1048576</memory>
  <os><type arch='x86_64'>hvm</type><nvram>/var/lib/libvirt/qemu/nvram/zeus.fd</nvram></os>
  <devices>
    <disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/vg/zeus'/><target dev='vda'/></disk>
    <disk type='file' device='disk'><source file='/srv/left-out.raw'/><target dev='vdb'/></disk>
    <disk type='file' device='cdrom'><source file='/iso/install.iso'/><target dev='sda'/><readonly/></disk>
    <interface type='bridge'><source bridge='br0'/></interface>
    <hostdev mode='subsystem' type='pci'/>
    <filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>
    <serial type='file'><source path='/var/log/zeus.log'/></serial>
    <channel type='unix'><source mode='bind' path='/run/zeus.agent'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <graphics type='spice' port='5900'/>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
  </devices>
  <qemu:commandline><qemu:arg value='-netdev'/></qemu:commandline>
</domain>`
const below = [
  { path: '/backups/2026-11-21/zeus-020000Z/zeus_vda.qcow2', format: 'qcow2' },
  { path: '/backups/2026-11-20/zeus-020000Z/zeus_vda.qcow2', format: 'qcow2' },
]
const disks = [{ target: 'vda', path: '/scratch/vda.qcow2', format: 'qcow2', below }]
const made = harmless(xml, { name: 'drill-1', disks, nvram: '/scratch/nvram.fd', labelled: true })

test('nothing of it reaches a network, a device or a file of the original', () => {
  for (const trace of ['br0', 'hostdev', '/srv', '/var/', '/run/', '/dev/', '.iso', '5900', 'tpm', 'qemu:', '8b9d1d9c'])
    expect(made.xml).not.toContain(trace)
  expect(made.leftOut).toEqual(['disk vdb', 'interface', 'hostdev', 'filesystem', 'tpm'])
})

test('it has a name, a screen and an agent of its own, and the copies of its disk and variables', () => {
  const { name, disks: found, nvram, agent, screen } = describeDomain(made.xml)
  expect({ name, nvram, agent, screen }).toEqual({ name: 'drill-1', nvram: '/scratch/nvram.fd', agent: true, screen: true })
  expect(found).toMatchObject([{ target: 'vda', source: '/scratch/vda.qcow2', format: 'qcow2', type: 'file' }])
})

test('the whole chain below a disk is named, and libvirt leaves its owners alone', () => {
  const sources = [...made.xml.matchAll(/<source file="([^"]+)"><seclabel model="dac" relabel="no"\/><\/source>/g)]
  expect(sources.map(([, path]) => path)).toEqual(below.map(({ path }) => path))
  expect(harmless(xml, { name: 'x', disks, nvram: undefined, labelled: false }).xml).not.toContain('seclabel')
})

test('the overlay of an encrypted disk is opened as what it is', () => {
  const encrypted = xml.replace(
    "<source dev='/dev/vg/zeus'/>",
    "<source dev='/dev/vg/zeus'><encryption format='luks'/></source><encryption format='luks'/>",
  )
  expect(harmless(encrypted, { name: 'x', disks, nvram: undefined, labelled: false }).xml).not.toContain('encryption')
})
