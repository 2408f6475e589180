import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { toolVersions } from '../../../infra/sources/files/versions.ts'
import { remembered } from '../../../infra/tools/remembered.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'

const MINUTE = 60_000

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

/** A question whose answers are numbers, in the order in which it was asked. */
function counting() {
  let asked = 0
  return remembered(async () => ++asked)
}

test('is asked once a minute of each host, however many want to know', async () => {
  const [one, other, ask] = [localHost(), localHost(), counting()]
  expect(await Promise.all([ask(one), ask(one), ask(other)])).toEqual([1, 1, 2])
  vi.advanceTimersByTime(MINUTE - 1)
  expect(await ask(one)).toBe(1)
  vi.advanceTimersByTime(1)
  expect(await ask(one)).toBe(3)
})

test('a failure is not remembered', async () => {
  const host = localHost()
  let broken = true
  const ask = remembered(async () => {
    if (broken) throw new Error('not now')
    return 'answer'
  })
  await expect(Promise.all([ask(host), ask(host)])).rejects.toThrow('not now')
  broken = false
  expect(await ask(host)).toBe('answer')
})

requires('zstd')('versions of tools', () => {
  /** A host with a tar of its own, and the way to put another one in its place. */
  async function withTar() {
    const tar = join(await temporaryDirectory(), 'tar')
    const real = localHost()
    const host: Host = {
      ...real,
      run: ([program, ...rest], options) => real.run([program === 'tar' ? tar : program, ...rest], options),
    }
    const upgrade = async (says: string) => {
      await writeFile(tar, `#!/bin/sh\necho '${says}'\n`)
      await chmod(tar, 0o755)
    }
    return { host, upgrade }
  }

  test('an upgrade is noticed within a minute', async () => {
    const { host, upgrade } = await withTar()
    await upgrade('tar (GNU tar) 1.34')
    expect(await toolVersions(host)).toMatchObject({ tar: '1.34' })
    await upgrade('tar (GNU tar) 1.35')
    vi.advanceTimersByTime(MINUTE)
    expect(await toolVersions(host)).toMatchObject({ tar: '1.35' })
  })

  test('so is a tar that is not GNU tar, and its cure at once', async () => {
    const { host, upgrade } = await withTar()
    await upgrade('bsdtar 3.7.2')
    await expect(toolVersions(host)).rejects.toThrow('is not GNU tar: bsdtar 3.7.2')
    await upgrade('tar (GNU tar) 1.35')
    expect(await toolVersions(host)).toMatchObject({ tar: '1.35' })
  })
})
