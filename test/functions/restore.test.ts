import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Fact } from '../../bus/event.ts'
import { events } from '../../bus/events.ts'
import { NotYet } from '../../bus/function.ts'
import { desk } from '../../functions/index.ts'
import restore from '../../functions/restore.ts'
import { stateBelow } from '../../infra/recover.ts'
import { writeJournal } from '../../infra/restore/journal.ts'
import { makeBackup } from '../services/backup.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { nas, openStage, type Stage } from './stage.ts'

const asked = { id: 'docs-20261121T020000Z', source: 'docs', host: 'local', request: 'r1' }

/** Who has the source after a restore of what cannot be found. */
async function holderAfterwards(stage: Stage): Promise<string | undefined> {
  await expect(restore.handle(asked, stage.context())).rejects.toThrow('no backup')
  return (await stage.run.get('docs'))?.value
}

test('waits while somebody else has the source', async () => {
  const stage = await openStage()
  await stage.run.put('docs', 'docs-20261120T020000Z')
  await expect(restore.handle(asked, stage.context())).rejects.toBeInstanceOf(NotYet)
})

test('what could not begin lets go of the source', async () => {
  expect(await holderAfterwards(await openStage())).toBeUndefined()
})

test('what stopped in the middle of the exchange keeps the source, so that nobody backs up half of it', async () => {
  const stage = await openStage()
  await writeJournal(stage.tools.host('local'), stateBelow(stage.root), {
    ...{ version: 1, token: asked.request, backup: asked.id, phase: 'stopped', began: '2026-11-21T03:00:00.000Z' },
    ...{ steps: [], scratch: [], leftOut: false, checks: [] },
  })
  expect(await holderAfterwards(stage)).toBe('docs-20261121T020000Z r1')
})

describe('a vault that another host shares, with the same id', () => {
  async function shared(labels: readonly string[]) {
    const vault = await temporaryDirectory()
    for (const label of labels) await makeBackup(join(vault, label), { source: 'docs', label })
    const stage = await openStage({ vaults: { nas: nas(vault) } })
    const said: unknown[] = []
    const [endpoint] = desk.endpoints.filter(({ name }) => name === 'restore')
    const deskContext = { ...stage.context(), tick: never, publish: async ({ data }: Fact) => void said.push(data) }
    const ask = async (question: { id: string; to?: string }) => {
      await endpoint?.answer(endpoint.request.parse(question), deskContext)
      return events.ask.restore.schema.parse(said.at(-1))
    }
    return { stage, ask }
  }

  test('in place only what the own host made is taken', async () => {
    const { stage, ask } = await shared(['m2'])
    for (const id of [asked.id, 'docs-2026', `m2/${asked.id}`]) {
      await expect(ask({ id })).rejects.toMatchObject({
        message: expect.stringContaining(`is a backup of another host: m2/${asked.id}`),
        hint: expect.stringContaining('--to'),
      })
    }
    await expect(restore.handle(asked, stage.context())).rejects.toThrow(`no backup "here/${asked.id}"`)
    await expect(restore.handle({ ...asked, label: 'm2' }, stage.context())).rejects.toThrow('another host')
  })

  test('elsewhere it is taken where it is named with its label', async () => {
    const { ask } = await shared(['m2'])
    await expect(ask({ id: asked.id, to: '/srv/x' })).rejects.toThrow('another host')
    expect(await ask({ id: `m2/${asked.id}`, to: '/srv/x' })).toMatchObject({ id: asked.id, label: 'm2' })
  })

  test('the own one is told apart from it, by the desk and by the worker', async () => {
    const { stage, ask } = await shared(['here', 'm2'])
    for (const id of [asked.id, `here/${asked.id}`]) {
      const fact = await ask({ id })
      expect(fact).toMatchObject({ id: asked.id, label: 'here' })
      // It has nothing of the kind in it, which is seen once it was found.
      await expect(restore.handle(fact, stage.context())).rejects.toThrow(/no copy of docs-20261121T020000Z .*nas/)
    }
  })
})

async function never(): Promise<never> {
  throw new Error('a restore does not tick')
}
