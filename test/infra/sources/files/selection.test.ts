import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { InvalidInput } from '../../../../infra/errors.ts'
import { makeDirectory } from '../../../services/directory.ts'
import { available, requires } from '../../../services/requires.ts'
import { bytesPath, listenAt } from '../trees.ts'
import { filesPlace, listed } from './place.ts'

requires('tar', 'zstd')('what files are kept', () => {
  test('those that patterns match, hidden ones and names of any bytes too', async () => {
    const { data, make, backup } = await filesPlace()
    await make(
      'a/x.md',
      'a/.hidden.md',
      'a/-x.md',
      'a/new\nline.md',
      'a/x.txt',
      'b/c/d/deep.md',
      'b/c/not',
      'e/x.md',
      '[odd]/name',
    )
    await writeFile(bytesPath(join(data, 'a'), 'caf\xe9.md'), '')
    const found = backup({ paths: ['a/*.md', 'b/**/*.md', '\\[odd\\]/n?me'] })
    await found.capture()
    expect(await listed(found, data)).toEqual(
      ['-x.md', '.hidden.md', 'caf\xe9.md', 'new\nline.md', 'x.md']
        .map(name => `a/${name}`)
        .concat('b/c/d/deep.md')
        .concat('[odd]/name')
        .sort(),
    )
    await found.verify()
  })

  test('each once, where paths overlap', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a/b/c', 'a/d')
    const both = backup({ paths: ['a/b', 'a', 'a/*', 'a//./b/'] })
    await both.capture()
    expect(await listed(both, data)).toEqual(['a/b/c', 'a/d'])
  })

  test('optional ones only where they are there', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a', 'maybe')
    const some = backup({ paths: ['a'], optional: ['maybe', 'absent', 'no/*'] })
    await some.capture()
    expect(await listed(some, data)).toEqual(['a', 'maybe'])
    expect(some.warnings).toEqual([])
  })

  test.each([[['a', 'gone']], [['a', 'gone/*']], [['a/not-a-directory']]])(
    'refuses %j, where something is not there',
    async paths => {
      const { make, backup } = await filesPlace()
      await make('a')
      await expect(backup({ paths }).snapshot()).rejects.toThrow(/not there on local: \S*(gone|not-a-directory)/)
      await expect(backup({ paths }).snapshot()).rejects.toThrow(InvalidInput)
    },
  )

  test('not those that an exclude names, anywhere or from the root', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a/keep', 'a/x.tmp', 'a/cache/x', 'b/cache/x', 'b/logs/old/1', 'b/logs/2')
    const some = backup({ paths: ['a', 'b'], exclude: ['*.tmp', `${data}/a/cache/`, `${data}/b/*/1`] })
    await some.capture()
    expect(await listed(some, data)).toEqual(['a/keep', 'b/cache/x', 'b/logs/2'])
  })

  test('refuses an exclude that leaves nothing of a path', async () => {
    const { make, backup } = await filesPlace()
    await make('a/b', 'c/d')
    await expect(backup({ paths: ['a', 'c'], exclude: ['c'] }).snapshot()).rejects.toThrow(/leaves out the whole of \S*data\/c$/)
  })

  test.each([
    ['is there', { require: ['a/*.db'] }, true],
    ['is not there', { require: ['a/*.sqlite'] }, false],
    ['is there, but left out', { require: ['a/x.db'], exclude: ['*.db'] }, false],
    ['is there, but below what is left out', { require: ['a/sub/y'], exclude: ['sub'] }, false],
    ['is there, but outside the paths', { require: ['b'] }, false],
  ])('what is required %s', async (_, options, enough) => {
    const { make, backup } = await filesPlace()
    await make('a/x.db', 'a/sub/y', 'b')
    const snapshot = backup({ paths: ['a'], ...options }).snapshot()
    await (enough ? expect(snapshot).resolves.toBeDefined() : expect(snapshot).rejects.toThrow(/required, but/))
  })

  test('warns of a link that is kept without what it points to', async () => {
    const { data, make, backup } = await filesPlace()
    await make('real/x')
    await symlink(join(data, 'real'), join(data, 'link'))
    const one = backup({ paths: ['link'] })
    await one.capture()
    expect(one.warnings).toEqual([expect.stringContaining('data/link is a symbolic link')])
  })

  test('refuses a socket', async () => {
    const { data, backup } = await filesPlace()
    await listenAt(join(data, 'socket'))
    await expect(backup({ paths: ['socket'] }).snapshot()).rejects.toThrow(/is a socket/)
  })
})

requires('tar', 'zstd')('a backup does not contain itself', () => {
  test.each([
    ['lies in what it keeps', 'data'],
    ['is reached there by another name', 'alias'],
  ])('where its place %s', async (_, name) => {
    const { directory, data, make, backup } = await filesPlace()
    await make('x', 'kept [1]/older/thing.tar.zst', 'sub/kept [1]/x')
    await symlink(data, join(directory, 'alias'))
    const inside = backup({ paths: [data] }, { root: join(directory, name, 'kept [1]') })
    await inside.capture()
    expect(await listed(inside, data)).toEqual(['sub/kept [1]/x', 'x'])
    await inside.verify()
    expect((await inside.stage('first')).leftOut).toBe(true)
  })

  test('and refuses to keep what lies where backups are', async () => {
    const { data, make, backup } = await filesPlace()
    await make('kept/x')
    await expect(backup({ paths: ['kept/x'] }, { root: join(data, 'kept') }).snapshot()).rejects.toThrow(/where backups are kept/)
  })
})

test.skipIf(!available('root', 'tar', 'zstd'))('refuses what there is no room for', async () => {
  await using small = await makeDirectory({ tmpfs: '1m' })
  const { data, backup } = await filesPlace()
  await mkdir(join(data, 'a'))
  await writeFile(join(data, 'a', 'big'), Buffer.alloc(3_000_000))
  const root = join(small.path, 'not made yet')
  await expect(backup({ paths: ['a'] }, { root }).snapshot()).rejects.toThrow(/30\d{5} bytes are to be kept, and .* has \d+ free/)
  const sparing = backup({ paths: ['a', data], exclude: ['big'] }, { root })
  expect((await sparing.snapshot()).expected).toBeLessThan(100_000)
})
