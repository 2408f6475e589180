import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { beforeAll, expect, test } from 'vitest'
import { files } from '../../../infra/sources/files.ts'
import { makeDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { sourceContract } from './contract.ts'
import { allocated, awkwardTree, portrait } from './trees.ts'

requires(
  'tar',
  'zstd',
  'root',
  'setfattr',
  'setfacl',
  'setcap',
)('files', () => {
  let [model, before] = ['', '']
  beforeAll(async () => {
    const { path, remove } = await makeDirectory()
    model = join(path, 'model')
    await awkwardTree(model)
    before = await portrait(model)
    return remove
  })

  sourceContract({
    source: files,
    missing: directory => ({ paths: [`${directory}/nothing`] }),
    findsFlippedBit: true,
    async prepare(directory) {
      const tree = join(directory, 'tree')
      await mkdir(directory)
      await execa('cp', ['--archive', model, tree])
      const single = join(directory, 'single file')
      await writeFile(single, 'alone')
      return {
        options: { paths: [tree, single] },
        artifact: 'thing.tar.zst',
        elsewhere: join(directory, 'elsewhere'),
        async destroy() {
          await rm(tree, { recursive: true })
          await mkdir(tree)
          await writeFile(join(tree, 'plain'), 'not this')
          await rm(single)
        },
        async expectIntact(to = '') {
          expect(await portrait(join(to, tree))).toBe(before)
          expect(await allocated(join(to, tree, 'holes'))).toBeLessThan(100_000)
          expect(await readFile(join(to, single), 'utf8')).toBe('alone')
        },
      }
    },
  })
})

test.each([
  [{ paths: [] }, /paths/],
  [{ paths: ['relative/path'] }, /absolute/],
  [{ paths: ['/srv/../etc'] }, /\.\./],
  [{ paths: ['/'] }, /whole machine/],
  [{ paths: ['//./**'] }, /whole machine/],
  [{ paths: ['/srv/[ä]'] }, /ASCII/],
  [{ paths: ['/srv'], level: 99 }, /level/],
  [{ paths: ['/srv'], path: ['/etc'] }, /path/],
])('refuses %j', (options, message) => {
  const result = files.options.safeParse(options)
  expect(JSON.stringify(result.error?.issues)).toMatch(message)
})
