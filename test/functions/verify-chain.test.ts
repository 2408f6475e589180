import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { Exported } from '../../bus/events.ts'
import verify from '../../functions/verify.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { readBackup } from '../../infra/inventory.ts'
import { Options } from '../../infra/sources/vm/options.ts'
import { flip } from '../infra/sources/vm/damaging.ts'
import { type Stored, storedChain } from '../infra/sources/vm/stored.ts'
import { requires } from '../services/requires.ts'
import { openStage } from './stage.ts'

afterEach(() => void vi.useRealTimers())

async function exported(root: string, { directory, manifest }: Stored): Promise<Exported> {
  const { id, source, kind, at, day, plans, bytes, parent, consistency, warnings } = manifest
  const digest = (await readBackup(localHost(), directory))?.digest ?? ''
  const snapshot = { at, consistency, expected: bytes, held: null, tools: {}, warnings }
  const due = { id, source, host: 'local', kind, at, day, plans, cause: 'tick-1' }
  return { ...due, root, snapshot, directory, manifest: digest, bytes, artifacts: 3, warnings, parent, consistency }
}

requires('qemu-img', 'qemu-io')('verify of an increment', () => {
  test('re-reads an older member once it is due, and fails all that build on one that is damaged', async () => {
    const stage = await openStage({ sources: { zeus: { kind: 'vm', options: Options.parse({}) } } })
    const chain = await storedChain(stage.root, 5)
    const [full, one, , fourth, newest] = chain
    if (!fourth || !newest) throw new Error('five were made')
    const anHourAfter = ({ manifest }: Stored) => Date.parse(manifest.at) + 3600_000
    vi.useFakeTimers({ toFake: ['Date'], now: anHourAfter(fourth) })
    expect(await verify.handle(await exported(stage.root, fourth), stage.context())).toMatchObject({
      data: { checks: expect.arrayContaining([{ name: 'older backup re-read', result: full.manifest.id }]) },
    })
    await flip(join(one.directory, 'zeus_vda.qcow2'))
    vi.setSystemTime(anHourAfter(newest))
    const damaged = verify.handle(await exported(stage.root, newest), stage.context())
    await expect(damaged).rejects.toThrow(/builds on what is damaged: .*2026-11-19/)
    const state = async ({ directory }: Stored) => (await readdir(directory)).filter(name => /^(verified|failed)/.test(name))
    expect(await Promise.all(chain.map(state))).toEqual([['verified.json'], ...Array(4).fill(['failed.json'])])
  })
})
