import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeDocument } from '../../infra/backups.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { VERIFIED } from '../../infra/layout.ts'
import { makeBackup, sha256 } from '../services/backup.ts'
import { makePlace } from './holdfast.ts'

const INSIDE = "inside the VM's own disk: no protection"

test('a backup inside its own source is named as what it is, and never taken for the newest good one', async () => {
  const place = await makePlace()
  onTestFinished(place.remove)
  const root = join(place.path, 'backups')
  const outside = await makeBackup(root, { at: '2026-11-20T02:00:00.000Z' })
  const inside = await makeBackup(root, { at: '2026-11-21T02:00:00.000Z', protects: false })
  for (const { directory } of [outside, inside]) await verified(directory)
  const { stdout } = await place.holdfast(['list', '--from', root])
  expect(stdout.split('\n').filter(line => line.includes(INSIDE))).toEqual([expect.stringContaining(inside.manifest.id)])
  expect((await place.holdfast(['show', inside.manifest.id, '--from', root])).stdout).toContain(INSIDE)
  expect((await place.holdfast(['show', 'zeus', '--from', root])).stdout).toMatch(new RegExp(`^${outside.manifest.id}\n`))
})

test('one that lacks what is required is verified, and never shown as done', async () => {
  const place = await makePlace()
  onTestFinished(place.remove)
  const root = join(place.path, 'backups')
  const { manifest, directory } = await makeBackup(root, { incomplete: 'the workspace is away' })
  await verified(directory)
  expect((await place.holdfast(['list', '--from', root])).stdout).toMatch(/ verified, incomplete /)
  expect((await place.holdfast(['show', 'zeus', '--from', root])).stdout).toMatch(/^incomplete +the workspace is away$/m)
  expect(await place.json(['list', '--from', root])).toMatchObject([
    { id: manifest.id, outcome: 'warnings', verified: true, incomplete: 'the workspace is away' },
  ])
})

async function verified(directory: string): Promise<void> {
  const manifest = sha256(await readFile(join(directory, 'manifest.json')))
  await writeDocument(localHost(), directory, VERIFIED, { at: '2026-11-21T03:00:00.000Z', manifest, checks: [] })
}
