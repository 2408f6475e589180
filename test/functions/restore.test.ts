import { expect, test } from 'vitest'
import { NotYet } from '../../bus/function.ts'
import restore from '../../functions/restore.ts'
import { stateBelow } from '../../infra/recover.ts'
import { writeJournal } from '../../infra/restore/journal.ts'
import { openStage, type Stage } from './stage.ts'

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
