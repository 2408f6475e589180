import { expect, onTestFinished, test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import { type Journal, refuseSecond, writeJournal } from '../../../infra/restore/journal.ts'
import { makeDirectory } from '../../services/directory.ts'

const interrupted: Journal = {
  version: 1,
  token: 'cli-0a1b2c3d-1',
  backup: 'zeus-20261121T020000Z',
  phase: 'stopped',
  began: '2026-11-21T03:00:00.000Z',
  steps: [{ target: '/srv/zeus', staged: null }],
  scratch: [],
  leftOut: false,
  checks: [],
}

test.each([
  [{}, 'Finish it first, while no instance runs: holdfast restore zeus-20261121T020000Z'],
  [
    { elsewhere: true, to: '/srv/zeus' },
    'Finish it first, while no instance runs: holdfast restore zeus-20261121T020000Z --to /srv/zeus',
  ],
  [{ token: 'r1', elsewhere: true, to: '/srv/zeus' }, 'The instance that began it finishes it when it runs again.'],
])('a second restore to one place is told how to finish the first: %j', async (differs, hint) => {
  const { path, remove } = await makeDirectory()
  onTestFinished(remove)
  const host = localHost('local')
  await writeJournal(host, path, { ...interrupted, ...differs })
  await expect(refuseSecond(host, path, { ...interrupted, token: 'other' })).rejects.toMatchObject({ hint })
})
