/** A bitmap that is lost between the look at it and the job: whole images, where there is room for them. */
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { openScene, type Scene, type Verified } from './scene.ts'
import { verbsOf } from './verbs.ts'

const Blocks = z.object({ return: z.array(z.object({ inserted: z.object({ 'node-name': z.string() }).optional() })) })

requires('libvirt')('a bitmap that is lost', () => {
  let place: Directory
  let scene: Scene
  let first: Verified

  beforeAll(async () => {
    place = await makeDirectory({ tmpfs: '400m' })
    scene = await openScene({
      guests: [{ name: 'zeus', agent: 'absent', writes: false, disks: [{ size: 256 * MB, filled: 128 * MB }] }],
      sources: { zeus: { quiesce: 'never' } },
      directory: place.path,
    })
    first = await scene.backUp()
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
  })

  const monitor = (command: string, given: object = {}) =>
    scene.libvirt.virsh('qemu-monitor-command', 'zeus', JSON.stringify({ execute: command, arguments: given }))
  const losing = (): Host => ({
    ...localHost(),
    async run(argv, options) {
      if (argv.includes('backup-begin')) {
        const blocks = Blocks.parse(JSON.parse(await monitor('query-block')))
        const node = blocks.return.find(({ inserted }) => inserted)?.inserted?.['node-name']
        await monitor('block-dirty-bitmap-remove', { node, name: first.id })
      }
      return await localHost().run(argv, options)
    },
  })

  test('without room for the whole disk nothing is begun, as for any other backup', async () => {
    const { stdout } = await execa('df', ['--output=avail', '-B1', place.path])
    await execa('fallocate', ['-l', String(Number(stdout.split('\n')[1]) - 64 * MB), join(place.path, 'filler')])
    const options = { uri: scene.libvirt.uri, quiesce: 'never' }
    const verbs = verbsOf({ root: scene.house.root, id: 'zeus-20361121T020000Z', options }, losing())
    await expect(verbs.snapshot()).rejects.toThrow(/^zeus needs \d+ bytes, and .* has \d+ free/)
    expect(verbs.warnings).toEqual([expect.stringContaining(`the checkpoint of ${first.id} is broken`)])
    await verbs.abandon()
    expect(await scene.guest.state()).toBe('running')
    expect(await localHost().stat(join(scene.house.root, '.vm-zeus-20361121T020000Z'))).toBeUndefined()
  }, 60_000)
})
