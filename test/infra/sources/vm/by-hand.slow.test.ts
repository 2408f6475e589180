/** What RESTORE.md says, word for word, with no Holdfast in it. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { guestNamed } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'
import { openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('RESTORE.md', () => {
  let scene: Scene
  let newest: Verified
  let synced: number

  beforeAll(async () => {
    scene = await openScene({
      guests: [
        {
          name: 'zeus',
          disks: [{ size: 128 * MB, filled: 4 * MB, backing: 'qcow2' }, { size: 32 * MB, format: 'raw' }, { size: 16 * MB }],
        },
      ],
      sources: { zeus: { excludeDisks: ['vdc'] } },
    })
    await nameBase(scene)
    await scene.backUp()
    const zeroed = 'dd if=/dev/zero of=/mnt/filling bs=1M count=4 conv=notrunc'
    await scene.guest.exec(['sh', '-c', `${zeroed}; echo then > /mnt/marker; sync`])
    synced = await scene.guest.moreRecords(3)
    newest = await scene.backUp()
    await scene.guest.exec(['sh', '-c', 'echo since > /mnt/marker; sync'])
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  async function follow(title: string, env: Record<string, string> = {}): Promise<string> {
    const text = await readFile(join(newest.directory, 'RESTORE.md'), 'utf8')
    const section = text.split(/^## /m).find(part => part.startsWith(title))
    const commands = /```bash\n(.*?)```/s.exec(section ?? '')?.[1]
    if (!commands) throw new Error(`RESTORE.md has no commands for ${title}`)
    const { stdout } = await execa('bash', ['-c', commands], { cwd: newest.directory, env })
    return stdout
  }

  test('has the definition as it was, and one for disks that stand alone', async () => {
    const base = `<source file=.${scene.guest.disks[0]?.backing}.`
    expect(await readFile(join(newest.directory, 'zeus.xml'), 'utf8')).toMatch(new RegExp(base))
    expect(await readFile(join(newest.directory, 'zeus_restore.xml'), 'utf8')).not.toMatch(new RegExp(base))
  })

  test('shows the chain that the backup is part of', async () => {
    expect(newest.parent).not.toBeNull()
    expect(await follow('Look')).toMatch(/backing file: \.\.\/\.\.\/.*No errors were found/s)
  })

  test('one disk alone', async () => {
    const to = join(scene.libvirt.images, 'alone.raw')
    await follow('One disk alone', { to })
    expect((await readRecords(to)).last).toBeGreaterThanOrEqual(synced)
    await rm(to)
  })

  test('under another name, beside the original that goes on running', async () => {
    await follow('Restore under another name', { name: 'zeus-two' })
    const copy = guestNamed(scene.libvirt, 'zeus-two')
    expect([await scene.guest.state(), await copy.state()]).toEqual(['running', 'shut off'])
    expect(await scene.libvirt.virsh('domuuid', 'zeus-two')).not.toBe(scene.guest.uuid)
    const blocks = await scene.libvirt.virsh('domblklist', 'zeus-two')
    expect(blocks).toContain(join(scene.guest.directory, 'zeus-two_vda.qcow2'))
    expect(blocks).toContain(join(scene.guest.directory, 'zeus-two_vdb.raw'))
    expect(blocks, 'a disk that is not in the backup stays with the original').not.toContain('vdc')
    expect((await readRecords(join(scene.guest.directory, 'zeus-two_vda.qcow2'))).last).toBeGreaterThanOrEqual(synced)
    await scene.libvirt.virsh('undefine', 'zeus-two')
    await rm('/var/tmp/zeus-two.xml')
  }, 30_000)

  test('in place: it goes back, runs, and the old disk is kept aside', async () => {
    await follow('Restore in place')
    await scene.guest.waitForAgent()
    expect((await scene.guest.exec(['cat', '/mnt/marker'])).stdout.trim()).toBe('then')
    const rest = await scene.guest.exec(['sh', '-c', "wc -c < /mnt/filling; tr -d '\\0' < /mnt/filling | wc -c"])
    expect(rest.stdout.split(/\s+/).slice(0, 2), 'what the base had where the guest wrote zeros').toEqual([`${4 * MB}`, '0'])
    for (const { path } of scene.guest.disks.slice(0, 2)) expect((await stat(`${path}.before-restore`)).isFile()).toBe(true)
    expect(await scene.libvirt.virsh('checkpoint-list', 'zeus', '--name')).toBe('')
    expect((await scene.backUp()).parent).toBeNull()
  }, 60_000)
})

/** Its definition says from its next start on what its first disk builds on, as those of some tools do. */
async function nameBase({ libvirt, guest }: Scene): Promise<void> {
  const [disk] = guest.disks
  const base = `<backingStore type='file'><format type='qcow2'/><source file='${disk?.backing}'/><backingStore/></backingStore>`
  const xml = await libvirt.virsh('dumpxml', guest.name, '--inactive')
  const source = `<source file='${disk?.path}'/>`
  expect(xml).toContain(source)
  const file = join(guest.directory, 'with-base.xml')
  await writeFile(file, xml.replace(source, `${source}${base}`))
  await libvirt.virsh('define', file)
}
