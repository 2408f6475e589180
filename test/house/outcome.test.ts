import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { root } from './tree.ts'

let place: string

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'holdfast-outcome-'))
  await mkdir(join(place, 'test'))
  await symlink(join(root, 'node_modules'), join(place, 'node_modules'))
})
afterEach(() => rm(place, { recursive: true, force: true }))

/** What `npm test` says and returns of a house that has only these tests. */
async function outcomeOf(tests: Record<string, string>) {
  for (const [name, text] of Object.entries(tests)) {
    const imports = `import { beforeAll, describe, expect, test } from 'vitest'\nvoid [beforeAll, describe, expect, test]\n`
    await writeFile(join(place, 'test', `${name}.test.ts`), imports + text)
  }
  const args = [join(root, 'test', 'run.ts'), '--root', place, '--config', join(root, 'vitest.config.ts')]
  const { exitCode, stdout } = await execa(process.execPath, args, { reject: false, timeout: 25_000 })
  return { exitCode, last: stdout.split('\n').at(-1) }
}

test('all well', async () => {
  const skipped = `test('c', context => context.skip('rsync is missing'))`
  const tests = { good: `test('a', () => {})\ntest('b', () => {})\n${skipped}` }
  expect(await outcomeOf(tests)).toEqual({ exitCode: 0, last: '2 passed, 0 failed, 1 skipped' })
})

test('a failed test, a hook that fails, a file that cannot be loaded and an error outside any test all count', async () => {
  const tests = {
    fails: `test('a', () => expect(1).toBe(2))`,
    hook: `describe('b', () => { beforeAll(() => { throw new Error('no') }); test('c', () => {}) })`,
    broken: `import './nothing.ts'`,
    stray: `test('d', () => { setTimeout(() => { throw new Error('late') }); return new Promise(done => setTimeout(done, 50)) })`,
  }
  expect(await outcomeOf(tests)).toEqual({ exitCode: 1, last: '1 passed, 4 failed, 1 skipped' })
})

test('nothing run is not success', async () => {
  expect(await outcomeOf({})).toEqual({ exitCode: 1, last: '0 passed, 1 failed, 0 skipped' })
})
