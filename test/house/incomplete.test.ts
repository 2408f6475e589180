import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { events } from '../../bus/events.ts'
import { outcomeOf } from '../../cli/entries.ts'
import { outcomeLine, succeeded } from '../../cli/outcome.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { defineSource } from '../../infra/sources/source.ts'
import { statusOf } from '../../infra/status.ts'
import type { Kinds } from '../../infra/tools.ts'
import { vaultOf } from '../../infra/vaults/all.ts'
import { requires } from '../services/requires.ts'
import { only, openScene } from './scene.ts'

const lack = 'the workspace is not in this backup: the key was refused'

/** The kind `files`, to which something that is required did not come. */
function lacking(): Kinds {
  const files = sourceOf('files')
  if (!files) throw new Error('there is no kind files')
  const incomplete = defineSource({
    ...files,
    export: async work => ({ ...(await files.export(work)), incomplete: lack.replace(': ', ':\n  ') }),
  })
  return { source: kind => (kind === 'files' ? incomplete : sourceOf(kind)), vault: vaultOf }
}

requires(
  'nats-server',
  'rsync',
  'tar',
  'zstd',
)('a backup that lacks what is required', () => {
  test('is verified, copied and kept, and its run has failed', async () => {
    const scene = await openScene({ kinds: lacking() })
    const report = only(await scene.backUp('docs'))
    expect(report).toMatchObject({ outcome: 'failed', verified: true, error: { name: 'Incomplete', message: lack } })
    expect(report.copies).toMatchObject([{ vault: 'nas' }])
    expect({ succeeded: succeeded(report), line: outcomeLine(report) }).toEqual({
      succeeded: false,
      line: expect.stringMatching(/^docs {2}failed {2}the workspace is not in this backup/),
    })
    for (const place of ['root', 'vault'] as const) {
      const backup = only(await scene.backups(place))
      expect(backup.verified).toBeDefined()
      expect(backup.failed).toBeUndefined()
      expect({ outcome: outcomeOf(backup), lack: backup.manifest.incomplete }).toEqual({ outcome: 'warnings', lack })
      const text = await readFile(join(backup.directory, 'report.md'), 'utf8')
      expect(text).toContain(`${report.id}: FAILED`)
      expect(text).toContain(lack)
    }
    for (const event of [events.verify.failed, events.replicate.failed, events.prune.failed])
      expect(await scene.said(event)).toEqual([])
    expect(await statusOf(scene.tools)).toMatchObject([{ good: { id: report.id }, last: { id: report.id, incomplete: lack } }])
  })

  test('is told apart where a part of it is asked for', async () => {
    const scene = await openScene({ kinds: lacking() })
    const { id } = only(await scene.backUp('docs'))
    expect(await scene.ask('restore', { id, part: 'workspace' })).toMatchObject({
      error: { message: expect.stringContaining('workspace'), hint: expect.stringContaining(lack) },
    })
  })
})
