import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { events } from '../../bus/events.ts'
import { NotYet } from '../../bus/function.ts'
import { isAtWork } from '../../bus/hold.ts'
import drill from '../../functions/drill.ts'
import drills from '../../functions/drills.ts'
import { readBackup } from '../../infra/inventory.ts'
import { stateBelow } from '../../infra/recover.ts'
import { flip, only, openScene } from '../house/scene.ts'
import { makeBackup } from '../services/backup.ts'
import { requires } from '../services/requires.ts'
import { openStage } from './stage.ts'

const Accepted = z.object({ request: z.string(), id: z.string() })
const asked = { id: 'docs-20261121T020000Z', source: 'docs', host: 'local', request: 'r1' }

requires('rsync', 'zstd')('a drill of files, by the desk', () => {
  test('restores them into a scratch place, keeps the proof beside every copy and leaves nothing', async () => {
    const scene = await openScene()
    await scene.backUp()
    const { request, id } = Accepted.parse(await scene.ask('drill', { id: only(await scene.backups()).manifest.id }))
    const done = only(await scene.hears(events.drill.done))
    expect(done).toMatchObject({
      request,
      id,
      from: 'local',
      checks: expect.arrayContaining([expect.objectContaining({ name: 'checksums' })]),
    })
    for (const place of ['root', 'vault'] as const)
      expect(only(await scene.backups(place)).drills).toMatchObject([{ ok: true, from: 'local' }])
    expect(await readdir(stateBelow(scene.root))).toEqual([])
  })

  test('one that does not stand the test is said, with the reason, and written down', async () => {
    const scene = await openScene()
    await scene.backUp()
    const { manifest, directory } = only(await scene.backups())
    await flip(join(directory, 'docs.tar.zst'))
    await scene.ask('drill', { id: manifest.id })
    const failed = only(await scene.hears(events.drill.failed))
    expect(failed.error).toMatchObject({ message: expect.stringContaining('SHA-256'), retryable: false })
    expect(failed.attempts).toBe(1)
    expect(only(await scene.backups()).drills).toMatchObject([{ ok: false, problem: expect.stringContaining('SHA-256') }])
  })
})

test('one drill at a time on a host; its backup is at work until it has ended, however it does', async () => {
  const stage = await openStage()
  const { manifest } = await makeBackup(stage.root, { source: 'docs', label: 'here' })
  const other = { ...asked, source: 'notes', id: 'notes-20261121T020000Z', request: 'r0' }
  await stage.run.put('drill.local', `notes ${other.id} r0`)
  await expect(drill.handle(asked, stage.context())).rejects.toBeInstanceOf(NotYet)
  const work = { ...other, at: manifest.at, proven: true }
  expect(await isAtWork(work, stage.context())).toBe(true)
  stage.store(events.drill.failed({ ...other, error: { name: 'E', message: 'no', retryable: false }, attempts: 1 }))
  expect(await isAtWork(work, stage.context())).toBe(false)
  // Over: cleared on the way. It has no archive, so this one fails, and lets go all the same.
  await expect(drill.handle(asked, stage.context())).rejects.toThrow('the drill of docs-20261121T020000Z failed')
  expect(await stage.run.get('drill.local')).toBeUndefined()
})

test('what a drill that was killed left goes with the next one', async () => {
  const stage = await openStage()
  await makeBackup(stage.root, { source: 'docs', label: 'here' })
  const left = join(stateBelow(stage.root), 'drill-files.r0')
  await stage.tools.host('local').makeDirectory(left)
  await writeFile(join(left, 'something'), '')
  await expect(drill.handle(asked, stage.context())).rejects.toThrow()
  expect(await readdir(stateBelow(stage.root))).toEqual([])
})

test('a rhythm asks once, for the newest verified backup, and again when it is over', async () => {
  const stage = await openStage({ plans: { nightly: { drill: 24 * 3600_000 } } })
  const tick = { data: {}, clock: true }
  const at = (time: string, id: string) => stage.context({ cause: { id, time: new Date(time), sequence: 1, behind: 0 } })
  const due = async (time: string, id = `tick-${time.slice(8, 16).replaceAll(/[T:]/g, '')}`) =>
    (await drills.handle(tick, at(time, id))).map(({ data }) => data.id)
  expect(await due('2026-11-21T03:00:00Z')).toEqual([])
  for (const day of ['2026-11-20', '2026-11-21', '2026-11-22']) {
    const { directory } = await makeBackup(stage.root, { source: 'docs', label: 'here', at: `${day}T02:00:00.000Z` })
    const { digest } = (await readBackup(stage.tools.host('local'), directory)) ?? {}
    const verified = { at: `${day}T02:00:00Z`, manifest: digest, checks: [] }
    if (day !== '2026-11-22') await writeFile(join(directory, 'verified.json'), JSON.stringify(verified))
  }
  expect(await due('2026-11-22T03:00:00Z', 'tick-1')).toEqual([asked.id])
  // A second try of the same tick says the same; another one says nothing.
  expect(await due('2026-11-22T03:00:00Z', 'tick-1')).toEqual([asked.id])
  expect(await due('2026-11-22T03:01:00Z')).toEqual([])
  expect(await due('2026-11-23T03:01:00Z')).toEqual([asked.id])
  expect(await drills.handle({ data: { sources: ['docs'] }, clock: false }, at('2026-11-30T00:00:00Z', 'tick-9'))).toEqual([])
})

test('a newer backup that lies inside its own source does not use the rhythm up', async () => {
  const stage = await openStage({ plans: { nightly: { drill: 24 * 3600_000 } } })
  const cause = { id: 'tick-1', time: new Date('2026-11-23T03:00:00Z'), sequence: 1, behind: 0 }
  const due = async () => (await drills.handle({ data: {}, clock: true }, stage.context({ cause }))).map(({ data }) => data.id)
  const verify = async (directory: string) => {
    const { digest } = (await readBackup(stage.tools.host('local'), directory)) ?? {}
    await writeFile(
      join(directory, 'verified.json'),
      JSON.stringify({ at: '2026-11-22T02:00:00Z', manifest: digest, checks: [] }),
    )
  }
  const inside = { source: 'docs', label: 'here', at: '2026-11-22T02:00:00.000Z', protects: false } as const
  await verify((await makeBackup(stage.root, inside)).directory)
  expect(await due()).toEqual([])
  await verify((await makeBackup(stage.root, { source: 'docs', label: 'here' })).directory)
  expect(await due()).toEqual([asked.id])
})

test('a new bus does not drill anew what was drilled within the rhythm', async () => {
  const stage = await openStage({ plans: { nightly: { drill: 24 * 3600_000 } } })
  const { directory } = await makeBackup(stage.root, { source: 'docs', label: 'here' })
  const { digest } = (await readBackup(stage.tools.host('local'), directory)) ?? {}
  await writeFile(join(directory, 'verified.json'), JSON.stringify({ at: '2026-11-21T02:00:00Z', manifest: digest, checks: [] }))
  await stage.tools.host('local').makeDirectory(join(directory, 'drills'))
  await writeFile(join(directory, 'drills', 'x.json'), JSON.stringify({ at: '2026-11-22T02:00:00Z', ok: false, checks: [] }))
  const cause = { id: 'tick-1', time: new Date('2026-11-22T12:00:00Z'), sequence: 1, behind: 0 }
  expect(await drills.handle({ data: {}, clock: true }, stage.context({ cause }))).toEqual([])
})
