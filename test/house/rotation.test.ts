import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { events } from '../../bus/events.ts'
import { unhold } from '../../infra/backups.ts'
import { HOLD } from '../../infra/layout.ts'
import { requires } from '../services/requires.ts'
import { names, only, openScene, type Scene, vault } from './scene.ts'

async function ids(scene: Scene, place: 'root' | 'vault'): Promise<string[]> {
  return (await scene.backups(place)).map(({ manifest }) => manifest.id)
}

requires(
  'nats-server',
  'rsync',
  'tar',
  'zstd',
)('rotation', () => {
  test('of five backups the last two are kept here and in the vault, and the one that is held until it is given back', async () => {
    const scene = await openScene({ plans: { nightly: { keep: { last: 2, atLeast: 1 }, vaults: ['nas'] } } })
    await scene.tick({ sources: ['docs'], keep: 'forever', reason: 'before upgrade' })
    const reports = [...(await scene.hears(events.report.done))]
    for (let run = 0; run < 4; run++) reports.push(only(await scene.backUp('docs')))
    const [held = '', gone, ...kept] = reports.map(({ id }) => id)
    expect(kept).toHaveLength(3)
    const stays = [held, ...kept.slice(1)]
    for (const place of ['root', 'vault'] as const) {
      expect(await ids(scene, place)).toEqual(stays)
      const [first] = await scene.backups(place)
      expect(first?.hold).toMatchObject({ reason: 'before upgrade' })
    }
    expect(await names(scene.root)).toHaveLength(3)
    expect((await scene.said(events.prune.done)).map(({ pruned }) => pruned.map(({ removed }) => removed))).toEqual([
      ...[[], [], []].map(() => [[], []]),
      [[gone], [gone]],
      [[kept[0]], [kept[0]]],
    ])
    const text = await readFile(join(reports.at(-1)?.directory ?? '', 'report.md'), 'utf8')
    expect(text).toContain(`- local: 3 kept of 4, removed ${kept[0]}\n- nas: 3 kept of 4, removed ${kept[0]}`)

    const [here] = await scene.backups()
    const [there] = await scene.backups('vault')
    if (!here || !there) throw new Error('the held one is gone')
    await unhold(scene.tools.host('local'), here.directory)
    await scene.tools.vault('nas').vault.annotate(there, HOLD, undefined)
    const rehearsed = await scene.ask('prune', { source: 'docs', dryRun: true })
    expect(rehearsed).toMatchObject([{ places: [{ removed: [] }, { removed: [] }] }])
    expect(await ids(scene, 'root')).toEqual(stays)
    expect(await scene.ask('prune', { source: 'docs' })).toMatchObject([
      {
        places: [
          { place: 'local', removed: [held] },
          { place: 'nas', removed: [held] },
        ],
        problems: [],
      },
    ])
    for (const place of ['root', 'vault'] as const) expect(await ids(scene, place)).toEqual(stays.slice(1))
  })

  test('what a required vault lacks stays', async () => {
    const nowhere = vault('rsync', { path: '/proc/holdfast/vault' })
    const scene = await openScene({
      attempts: 1,
      plans: { nightly: { keep: { last: 1 }, vaults: ['nas'] } },
      vaults: { nas: nowhere },
    })
    for (let run = 0; run < 2; run++)
      expect(only(await scene.backUp('docs'))).toMatchObject({ outcome: 'failed', ended: 'prune.done', verified: true })
    expect(await ids(scene, 'root')).toHaveLength(2)
    const pruned = await scene.ask('prune', { dryRun: true })
    expect(JSON.stringify(pruned)).toContain('required vault nas lacks it')
  })
})
