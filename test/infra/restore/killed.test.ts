import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import { unfinishedRestores } from '../../../infra/restore/journal.ts'
import { restoreBackup } from '../../../infra/restore.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { mortal, type Setting, setting } from './setting.ts'

const host = localHost()
const before = { data: 'old', 'data-wal': 'old journal' }
/** Only a health check that passed lets what was there go. */
const well = { http: undefined, command: ['true'] satisfies [string], within: 5000 }
const sick = { http: undefined, command: ['false'] satisfies [string], within: 1 }

describe('killed before any change it makes, and run again', () => {
  test.each([
    ['it ends with the new data', false, well],
    ['it ends with the old data', false, sick],
    ['it ends with the new data where there was none', true, well],
    ['it ends with none where there was none', true, sick],
  ] as const)('%s', async (_, missing, health) => {
    await everywhere(
      async (world, change) => {
        const again = restoreBackup(world.restore({ health }))
        if (health === sick) await expect(again).rejects.toThrow('rolled back')
        else await again
        const old = missing ? {} : before
        expect(await world.files(), `killed at change ${change}`).toEqual(health === sick ? old : { data: 'new' })
        const found = await world.starts()
        expect(found.at(-1)).toBe(health === sick ? Object.values(old).join('') : 'new')
        for (const start of found) expect(['new', 'oldold journal', '']).toContain(start)
        expect(await unfinishedRestores(host, world.restore().state)).toEqual([])
      },
      { missing, health },
    )
  })

  test.each([
    ['new', well],
    ['old', sick],
  ])('what somebody made there meanwhile is neither lost nor taken for the %s data', async (kept, health) => {
    await everywhere(
      async (world, change) => {
        const made = (await world.files()).data === undefined
        if (made) {
          await writeFile(world.data, 'stranger')
          await writeFile(`${world.data}-wal`, 'stranger journal')
        }
        await restoreBackup(world.restore({ health })).catch((error: unknown) => expect(String(error)).toContain('rolled back'))
        const { data, 'data-wal': journal, ...others } = await world.files()
        expect([data, journal], `killed at change ${change}`).toEqual(
          kept === 'new' ? ['new', undefined] : ['old', 'old journal'],
        )
        if (made) expect(Object.values(others).toSorted()).toEqual(['stranger', 'stranger journal'])
      },
      { health },
    )
  })

  test.each([well, sick])(
    'a journal that the program makes anew stays with its own data, and no other (health %j)',
    async health => {
      await everywhere(
        async (world, change) => {
          const { data: then, 'data-wal': there } = await world.files()
          if (then && !there) await writeFile(`${world.data}-wal`, `journal of ${then}`)
          await restoreBackup(world.restore({ health })).catch((error: unknown) => expect(String(error)).toContain('rolled back'))
          const { data, 'data-wal': journal } = await world.files()
          expect(data).toBe(health === sick ? 'old' : 'new')
          expect(journal, `killed at change ${change}`).toBe(then === data ? `journal of ${data}` : undefined)
        },
        { quiet: true, health },
      )
    },
  )

  async function everywhere(
    then: (world: Setting, change: number) => Promise<void>,
    given: { missing?: boolean; quiet?: boolean; health?: typeof sick | undefined },
  ) {
    const root = await temporaryDirectory()
    for (let change = 0; ; change++) {
      const place = join(root, String(change))
      await mkdir(place)
      const { host: dying, signal } = mortal(host, change)
      const world = await setting(place, given)
      const first = restoreBackup(world.restore({ host: dying, signal, health: given.health }))
      const ended = await first.then(
        () => 'done',
        (error: unknown) => String(error),
      )
      if (!signal.aborted) break
      expect(ended).toBe('Error: killed')
      await then(world, change)
      await rm(place, { recursive: true })
    }
  }
})
