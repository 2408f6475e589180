import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Exported, events } from '../../bus/events.ts'
import exporting from '../../functions/export.ts'
import snapshot from '../../functions/snapshot.ts'
import verify from '../../functions/verify.ts'
import { MANIFEST } from '../../infra/layout.ts'
import { flip } from '../house/scene.ts'
import { requires } from '../services/requires.ts'
import { openStage, type Stage } from './stage.ts'

/** A true backup of `docs`, as far as export brings it. */
async function captured(): Promise<{ stage: Stage; exported: Exported }> {
  const stage = await openStage()
  await mkdir(join(stage.directory, 'data'))
  await writeFile(join(stage.directory, 'data', 'letter'), 'dear reader')
  const at = '2026-11-21T02:00:00.000Z'
  const due = { id: 'docs-20261121T020000Z', source: 'docs', host: 'local', kind: 'files', at, day: '2026-11-21' }
  const [held] = [await snapshot.handle({ ...due, plans: [], cause: 'tick-1' }, stage.context())].flat()
  const [done] = [await exporting.handle(events.snapshot.done.schema.parse(held?.data), stage.context())].flat()
  return { stage, exported: events.export.done.schema.parse(done?.data) }
}

requires('tar', 'zstd')('verify', () => {
  test('a good backup is verified; a second call says so again', async () => {
    const { stage, exported } = await captured()
    for (let call = 0; call < 2; call++)
      expect(await verify.handle(exported, stage.context())).toMatchObject({ event: { type: 'verify.done' } })
    expect(await readdir(exported.directory)).toContain('verified.json')
  })

  test('a tool that is missing says nothing about the backup: no failed.json for prune to believe', async () => {
    const { stage, exported } = await captured()
    const path = process.env.PATH
    process.env.PATH = join(stage.directory, 'nothing')
    try {
      await expect(verify.handle(exported, stage.context())).rejects.toMatchObject({ retryable: false })
    } finally {
      process.env.PATH = path
    }
    expect(await readdir(exported.directory)).not.toContain('failed.json')
    await verify.handle(exported, stage.context())
    expect(await readdir(exported.directory)).toContain('verified.json')
  })

  test('export twice: the manifest that is there is what counts', async () => {
    const { stage, exported } = await captured()
    const again = [await exporting.handle(exported, stage.context({ redelivered: true, fence: 2 }))].flat()
    expect(again[0]?.data).toEqual(exported)
    expect(await readdir(join(stage.root, exported.day))).toEqual(['docs-020000Z'])
  })

  const edits: [name: string, edit: (text: string) => string, message: string][] = [
    ['a word', text => text.replace('"crash"', '"application"'), 'is not the one that was written'],
    [
      'a checksum',
      text => text.replace(/(?<="sha256": ")./, digit => (digit === '0' ? '1' : '0')),
      'is not the one that was written',
    ],
    ['a name that leads outside', text => text.replace('"docs.tar.zst"', '"../docs.tar.zst"'), 'is not the one that was written'],
    ['half of it gone', text => text.slice(0, text.length / 2), 'is not the one that was written'],
  ]
  test.each(edits)('a manifest that was edited after the export, %s: failed, and not verified', async (_, edit, message) => {
    const { stage, exported } = await captured()
    const path = join(exported.directory, MANIFEST)
    await writeFile(path, edit(await readFile(path, 'utf8')))
    await expect(verify.handle(exported, stage.context())).rejects.toMatchObject({
      message: expect.stringContaining(message),
      retryable: false,
      hint: expect.stringMatching(/./),
    })
    const there = await readdir(exported.directory)
    expect(there).toContain('failed.json')
    expect(there).not.toContain('verified.json')
  })

  test('a flipped bit in any artifact: failed, and what an earlier try found counts no more', async () => {
    const { stage, exported } = await captured()
    for (const name of ['docs.tar.zst', 'docs.listing.txt', 'RESTORE.md']) {
      await verify.handle(exported, stage.context())
      await flip(join(exported.directory, name))
      await expect(verify.handle(exported, stage.context())).rejects.toMatchObject({
        name: 'VerificationFailed',
        message: expect.stringContaining(name),
      })
      const there = await readdir(exported.directory)
      expect([there.includes('failed.json'), there.includes('verified.json')]).toEqual([true, false])
      await flip(join(exported.directory, name))
    }
    await verify.handle(exported, stage.context())
    expect(await readdir(exported.directory)).not.toContain('failed.json')
  })
})
