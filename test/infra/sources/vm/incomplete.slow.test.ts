/** A workspace that is required and does not come: the run fails, and the disks are a backup like any other. */
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifiedBackups } from '../../../../infra/inventory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { events } from '../../../services/house.ts'
import { requires } from '../../../services/requires.ts'
import { type Sshd, sshPrograms, startSshd } from '../../../services/sshd.ts'
import { openScene, type Scene } from './scene.ts'

requires('libvirt', ...sshPrograms)('a guest whose key is another one', () => {
  let sshd: Sshd
  let scene: Scene

  beforeAll(async () => {
    sshd = await startSshd()
    const { port, user, identity, wrongKnownHosts: knownHosts } = sshd
    scene = await openScene({
      guests: [{ name: 'zeus', agent: 'absent', disks: [{ size: 32 * MB }] }],
      sources: { zeus: { workspace: { address: '127.0.0.1', port, user, identity, knownHosts, required: true } } },
    })
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await sshd?.stop()
  })

  test('each run fails and says why; the disks are verified, and the next increment builds on them', async () => {
    const [full, increment] = [await scene.backUp(), await scene.backUp()]
    expect([full.parent, increment.parent]).toEqual([null, full.id])
    expect(increment.checks).toContainEqual({
      name: 'workspace',
      result: expect.stringMatching(/^REQUIRED AND NOT HERE: .*shows another key than before/s),
    })
    for (const report of await scene.house.said(events.report.done))
      expect(report).toMatchObject({
        ...{ outcome: 'failed', verified: true, ended: 'prune.done' },
        error: { name: 'Incomplete', message: expect.stringContaining('is not in this backup') },
      })
    const kept = await verifiedBackups(scene.house.tools.host('local'), scene.house.root, 'zeus')
    expect(kept.map(({ manifest }) => manifest.id)).toEqual([full.id, increment.id])
    expect(await readdir(increment.directory)).not.toContain('failed.json')
  }, 120_000)
})
