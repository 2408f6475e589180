import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { InvalidInput } from '../../../infra/errors.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { type Restore, restoreBackup } from '../../../infra/restore.ts'
import type { Source, Started } from '../../../infra/sources/source.ts'
import { makeDirectory, temporaryDirectory } from '../../services/directory.ts'
import { mortal, type Setting, setting } from './setting.ts'

const before = { data: 'old', 'data-wal': 'old journal' }

/** A kind that stops and starts what it restores, and writes down what lay there each time. */
function alive({ restore, data }: Setting, start: (restored: boolean) => Partial<Started> = () => ({ proven: true })) {
  const calls: string[] = []
  const seen = async () => await readFile(data, 'utf8').catch(() => 'nothing')
  const { driver: plain } = restore()
  const driver: Source = {
    ...plain,
    parts: () => ['half'],
    lifecycle: ({ part, host, scratch }) => ({
      async stop() {
        calls.push(`stop ${part ?? 'all'} on ${await seen()}`)
        await host.makeDirectory(scratch)
      },
      async start(restored) {
        calls.push(`start ${restored} on ${await seen()}`)
        return { checks: [{ name: 'alive', result: 'yes' }], proven: false, ...start(restored) }
      },
    }),
  }
  const asked = (change: Partial<Restore> = {}) => restore({ driver, service: undefined, ...change })
  return { calls, asked }
}

test('is stopped on the old data and started on the new, which then needs no old beside it', async () => {
  const root = await temporaryDirectory()
  const scene = await setting(root)
  const { calls, asked } = alive(scene)
  const { aside, checks } = await restoreBackup(asked())
  expect(calls).toEqual(['stop all on old', 'start true on new'])
  expect({ aside, last: checks.at(-1)?.name, warnings: scene.warnings }).toEqual({ aside: [], last: 'alive', warnings: [] })
  expect(await scene.files()).toEqual({ data: 'new' })
  expect((await localHost().list(join(root, 'state'))).map(({ name }) => name)).toEqual(['restore-request1.json'])
})

test('where nothing was proven, the old data is kept', async () => {
  const scene = await setting(await temporaryDirectory())
  const { asked } = alive(scene, () => ({ proven: false }))
  expect((await restoreBackup(asked())).aside).toHaveLength(2)
  expect(scene.warnings).toEqual([expect.stringContaining('nothing has shown that the new data works')])
})

test('where a health check proved it, nothing is kept, whatever it answered', async () => {
  const scene = await setting(await temporaryDirectory())
  const { asked } = alive(scene, () => ({ proven: false }))
  const health = { http: undefined, command: ['test', '-e', scene.data] satisfies [string, ...string[]], within: 1000 }
  expect((await restoreBackup(asked({ health }))).aside).toEqual([])
  expect(scene.warnings).toEqual([])
})

test('what does not start gets its old data back, and is started on that', async () => {
  const scene = await setting(await temporaryDirectory())
  const { calls, asked } = alive(scene, restored => {
    if (restored) throw new Error('it does not boot')
    return {}
  })
  await expect(restoreBackup(asked())).rejects.toThrow('rolled back: it does not boot')
  expect(calls).toEqual(['stop all on old', 'start true on new', 'stop all on new', 'start false on old'])
  expect(await scene.files()).toEqual(before)
})

test('a part is handed on; one that there is not is refused before anything is read', async () => {
  const scene = await setting(await temporaryDirectory())
  const { calls, asked } = alive(scene)
  await expect(restoreBackup(asked({ part: 'third' }))).rejects.toThrow(InvalidInput)
  await expect(restoreBackup(scene.restore({ part: 'half' }))).rejects.toMatchObject({
    hint: expect.stringContaining('as a whole'),
  })
  await restoreBackup(asked({ part: 'half' }))
  expect(calls[0]).toBe('stop half on old')
})

test.each([true, false])(
  'killed at any point and said again: what runs in the end runs on what lies there (boots: %s)',
  async boots => {
    for (let changes = 0; ; changes++) {
      await using place = await makeDirectory()
      const scene = await setting(place.path)
      const { calls, asked } = alive(scene, restored => {
        if (restored && !boots) throw new Error('it does not boot')
        return { proven: true }
      })
      const { host, signal } = mortal(localHost(), changes)
      const first = await restoreBackup(asked({ host, signal })).then(
        () => 'done',
        (error: unknown) => String(error),
      )
      if (!signal.aborted) break
      expect(first).toContain('killed')
      // Said again, it may have forgotten what part it was.
      const second = restoreBackup(asked({ part: 'half' }))
      const wanted = boots ? { data: 'new' } : before
      if (boots) await second
      else await expect(second).rejects.toThrow('rolled back')
      expect(await scene.files()).toEqual(wanted)
      expect(calls.at(-1), `after ${changes} changes`).toBe(`start ${boots} on ${wanted.data}`)
    }
  },
)
