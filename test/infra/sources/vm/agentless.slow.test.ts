/** A guest without an agent, on UEFI, with a raw disk: it answers nothing, so nothing shows that what was restored works. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inspect } from '../../../../cli/inspection.ts'
import { describeDomain } from '../../../../infra/tools/domain-xml.ts'
import { MB } from '../../../services/guest-disks.ts'
import { UEFI } from '../../../services/guest-xml.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { openScene, type Scene, type Verified } from './scene.ts'
import { forge } from './trial.ts'

requires('libvirt', UEFI)('a guest without an agent', () => {
  let scene: Scene
  let backup: Verified

  beforeAll(async () => {
    scene = await openScene({
      guests: [{ name: 'zeus', firmware: 'uefi', agent: 'absent', disks: [{ size: 32 * MB, format: 'raw' }] }],
      sources: { zeus: { shutdownLimit: '1s' } },
    })
    backup = await scene.backUp()
  }, 120_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  test('as a copy has its own UEFI variables and a raw disk of its own', async () => {
    const nvram = join(scene.guest.directory, 'zeus-copy_VARS.fd')
    const disk = join(scene.guest.directory, 'zeus-copy_vda.raw')
    expect((await restore(scene.house, backup.id, { to: 'zeus-copy' })).targets).toEqual([disk, nvram])
    expect(await readFile(nvram)).toEqual(await readFile(join(backup.directory, 'zeus_nvram.fd')))
    expect((await stat(disk)).size).toBe(32 * MB)
    const { disks, nvram: defined } = describeDomain(await scene.libvirt.virsh('dumpxml', 'zeus-copy', '--inactive'))
    expect({ disks, defined }).toMatchObject({ disks: [{ target: 'vda', format: 'raw', source: disk }], defined: nvram })
    await scene.libvirt.virsh('undefine', 'zeus-copy', '--nvram')
  }, 60_000)

  test('in place is switched off where it does not hear, and keeps its old disk: the new one runs in QEMU, and does not boot', async () => {
    await forge(backup.directory, 'zeus.xml', xml => xml.replaceAll(/<(kernel|initrd|cmdline)>.*?<\/\1>/g, ''))
    const { ino } = await stat(scene.guest.disks[0]?.path ?? '')
    const { aside, checks, targets, warnings } = await restore(scene.house, backup.id)
    expect(checks.at(-1)?.result).toMatch(/^it runs for \d+\.\d s; it has no agent/)
    expect(await scene.guest.state()).toBe('running')
    expect(aside.map(path => path.replace(/\.before-\w+$/, '')).sort()).toEqual([...targets].sort())
    expect(warnings).toEqual([
      'zeus did not shut down within 1 s and was switched off',
      expect.stringMatching(/^what was there was kept: nothing has shown that the new data works.* rm -r -- /),
    ])
    const [old = ''] = aside.filter(path => path.includes('.raw.before-'))
    expect(warnings.at(-1)).toContain(old)
    expect((await stat(old)).ino).toBe(ino)
  }, 90_000)

  test('check says how many nights its plan may hold', async () => {
    const { configuration, tools, root } = scene.house
    const never = () => {
      throw new Error('a look asks nobody')
    }
    const session = {
      configuration,
      tools,
      stateDirectory: root,
      bus: never,
      running: never,
      absent: never,
      [Symbol.asyncDispose]: never,
    }
    const finding = (await inspect(session)).find(({ what }) => what === 'source zeus')
    expect(finding).toMatchObject({
      ok: true,
      found: expect.stringContaining('nightly may hold up to 27 nights, since a chain of'),
    })
  })
})
