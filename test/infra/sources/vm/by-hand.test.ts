/** The commands of RESTORE.md that need no libvirt, word for word, on the XML that lies beside it. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Details, Image } from '../../../../infra/sources/vm/details.ts'
import { instructions } from '../../../../infra/sources/vm/instructions.ts'
import { withDisks } from '../../../../infra/sources/vm/place-disks.ts'
import { describeDomain } from '../../../../infra/tools/domain-xml.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { requires } from '../../../services/requires.ts'

const uuid = '8c5c7f0c-3c3f-4e7e-9a3e-0d9f6f0b1a11'
const defined = `<domain type='kvm'>
  <name>zeus</name>
  <uuid>${uuid}</uuid>
  <genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
  <sysinfo type='smbios'>
    <system>
      <entry name='uuid'>${uuid}</entry>
      <entry name='serial'>zeus</entry>
    </system>
  </sysinfo>
  <os><type>hvm</type><nvram>/img/zeus.fd</nvram></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/img/zeus'/>
      <backingStore type='file'>
        <format type='qcow2'/>
        <source file='/img/base'/>
        <backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/img/zeus-data'><encryption format='luks'/></source>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source dev='/dev/vg/zeus'/>
      <target dev='vdc' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/odd &amp; $old/ze"us|.img'/>
      <target dev='vdd' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/img/zeus-data.raw'/>
      <backingStore type='file'><source file='/img/left.raw'/></backingStore>
      <target dev='vde' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:12:34:56'/>
      <source bridge='zeus'/>
    </interface>
    <tpm model='tpm-crb'><backend type='emulator'><source type='dir' path='/tpm/${uuid}'/></backend></tpm>
  </devices>
</domain>`

const image = (target: string, source: string, more: Partial<Image> = {}): Image => ({
  ...{ target, artifact: `zeus_${target}.qcow2`, format: 'qcow2', capacity: 1024, parent: null },
  ...{ source, sourceFormat: 'raw', ...more },
})

const details: Details = {
  ...{ uri: 'qemu:///system', domain: 'zeus', uuid, mode: 'live', method: 'copy', why: 'it runs', ran: true },
  ...{ xml: 'zeus.xml', frozen: 12, downtime: null, dirty: null, inside: null },
  images: [
    image('vda', '/img/zeus', { sourceFormat: 'qcow2' }),
    image('vdb', '/img/zeus-data'),
    image('vdc', '/dev/vg/zeus', { device: true }),
    image('vdd', '/odd & $old/ze"us|.img'),
  ],
  before: { expected: 1, free: 2, encrypted: ['vdb'], checkpoints: [], omitted: [] },
  nvram: { artifact: 'zeus_nvram.fd', source: '/img/zeus.fd' },
  tpm: { artifact: 'zeus_tpm.tar.gz', source: `/tpm/${uuid}` },
  workspace: { artifact: 'zeus_workspace.tar.gz', path: '~/.openclaw/workspace', require: [] },
}
const text = instructions({ source: 'zeus', id: 'zeus-20261121T020000Z', parent: null, details, leftOut: ['vde'] })
const restorable = withDisks(
  defined,
  details.images.map(({ target, source, sourceFormat }) => ({ target, path: source, format: sourceFormat })),
)

requires('tar')('RESTORE.md', () => {
  let place: Directory
  beforeAll(async () => {
    place = await makeDirectory()
    await writeFile(join(place.path, 'zeus_restore.xml'), restorable)
  })
  afterAll(() => place?.remove())

  const commands = (title: string) => {
    const section = text.split(/^## /m).find(part => part.startsWith(title))
    return /```bash\n(.*?)```/s.exec(section ?? '')?.[1] ?? ''
  }
  const run = async (command: string, env: Record<string, string>) =>
    await execa('bash', ['-euc', command], { cwd: place.path, env })

  test('in place defines disks that stand on nothing; what the backup has not stays as it was', () => {
    expect(commands('Restore in place')).toContain('define zeus_restore.xml\n')
    expect(restorable).not.toContain('/img/base')
    expect(restorable).not.toContain('encryption')
    expect(restorable).toContain('/img/left.raw')
    expect(describeDomain(restorable)).toMatchObject({ name: 'zeus', uuid, nvram: '/img/zeus.fd' })
    const { disks } = describeDomain(defined)
    expect(describeDomain(restorable).disks.map(({ type, source }) => ({ type, source }))).toEqual(
      disks.map(({ type, source }) => ({ type, source })),
    )
    expect(text).toContain('**Not encrypted any more: vdb.**')
  })

  test('a copy has names, addresses and files of its own, however the names of the files begin', async () => {
    const name = `copy-${process.pid}`
    const sed = commands('Restore under another name').match(/^sed .*?"\/var\/tmp\/\$name\.xml"$/gms) ?? []
    expect(sed).toHaveLength(2)
    await run(sed.join('\n'), { name, uuid: 'new-uuid' })
    const xml = await readFile(`/var/tmp/${name}.xml`, 'utf8')
    await rm(`/var/tmp/${name}.xml`)
    const copy = describeDomain(xml)
    expect(copy).toMatchObject({ name, uuid: 'new-uuid', nvram: `/img/${name}_VARS.fd`, tpmStore: '/tpm/new-uuid' })
    expect(copy.disks.map(({ type, source, format }) => ({ type, source, format }))).toEqual([
      { type: 'file', source: `/img/${name}_vda.qcow2`, format: 'qcow2' },
      { type: 'file', source: `/img/${name}_vdb.raw`, format: 'raw' },
      { type: 'file', source: `/img/${name}_vdc.raw`, format: 'raw' },
      { type: 'file', source: `/odd & $old/${name}_vdd.raw`, format: 'raw' },
      { type: 'file', source: '/img/zeus-data.raw', format: 'raw' },
    ])
    for (const shared of [uuid, '43dc0cf8', '52:54:00']) expect(xml).not.toContain(shared)
    for (const kept of ['<source bridge="zeus"/>', '<entry name="serial">zeus</entry>', 'cache="none"'])
      expect(xml).toContain(kept)
  })

  test('the workspace alone', async () => {
    const from = join(place.path, 'from')
    await mkdir(from)
    await writeFile(join(from, 'SOUL.md'), 'kind')
    await execa('tar', ['-czf', join(place.path, 'zeus_workspace.tar.gz'), '-C', from, '.'])
    const to = join(place.path, "it's here")
    await run(commands('The workspace alone'), { to })
    expect(await readFile(join(to, 'SOUL.md'), 'utf8')).toBe('kind')
  })
})
