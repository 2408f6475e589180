import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codeOf, HoldfastError, InvalidInput } from '../../../infra/errors.ts'
import { awkwardNames, type OpenPlace } from './contract.ts'
import { rejection } from './processes.ts'

export function fileContract(open: OpenPlace): void {
  test.each(awkwardNames)('%j is a name like any other', async name => {
    const { host, directory } = await open()
    const path = join(directory, 'in', name)
    await host.makeDirectory(join(directory, 'in'))
    await host.write(path, name)
    expect(Buffer.from(await host.read(path)).toString()).toBe(name)
    expect(await host.list(join(directory, 'in'))).toEqual([{ name, type: 'file' }])
    expect(await host.stat(path)).toMatchObject({ name, type: 'file', size: Buffer.byteLength(name) })
    await host.rename(path, `${path}2`)
    expect(await host.stat(path)).toBeUndefined()
    await host.remove(`${path}2`)
    expect(await host.list(directory)).toEqual([{ name: 'in', type: 'directory' }])
    expect(await host.list(join(directory, 'in'))).toEqual([])
  })

  test('write replaces the whole file and leaves nothing beside it', async () => {
    const { host, directory } = await open()
    const path = join(directory, 'document')
    await host.write(path, 'a longer first content')
    await Promise.all([host.write(path, 'aaaa'), host.write(path, 'bbbb')])
    expect(['aaaa', 'bbbb']).toContain(Buffer.from(await host.read(path)).toString())
    expect(await host.list(directory)).toHaveLength(1)
  })

  test('write takes away what a killed writer of the same file left, and nothing else', async () => {
    const { host, directory } = await open()
    const [first, second] = ['0000000000000000', '0123456789abcdef'].map(draft => `.document.partial-${draft}`)
    for (const name of [first ?? '', second ?? '', '.document.partial-mine', '.document2.partial-0123456789abcdef'])
      await host.write(join(directory, name), '')
    await host.write(join(directory, 'document'), 'whole')
    const names = (await host.list(directory)).map(({ name }) => name)
    expect(names).toEqual(['.document.partial-mine', '.document2.partial-0123456789abcdef', 'document'])
  })

  test('what is written without a draft needs a free name, and is as private', async () => {
    const { host, directory } = await open()
    await host.write(join(directory, 'document'), 'first', { draft: false, lasting: false })
    const again = host.write(join(directory, 'document'), 'second', { draft: false })
    expect(codeOf((await rejection(HoldfastError, again)).cause)).toBe('EEXIST')
    expect(Buffer.from(await host.read(join(directory, 'document'))).toString()).toBe('first')
    expect((await host.run(['stat', '-c', '%a', join(directory, 'document')])).stdout).toBe('600\n')
  })

  test('directories are made by many at once', async () => {
    const { host, directory } = await open()
    for (let round = 0; round < 20; round++) {
      const paths = Array.from({ length: 8 }, (_, place) => join(directory, `${round}/a/b/${place}`))
      await Promise.all(paths.map(path => host.makeDirectory(path)))
      expect(await host.list(join(directory, `${round}/a/b`))).toHaveLength(8)
    }
  })

  test('files are private, directories too, unless told', async () => {
    const { host, directory } = await open()
    await host.makeDirectory(join(directory, 'a/b'))
    await host.write(join(directory, 'a/file'), '')
    await host.write(join(directory, 'a/shared'), '', { mode: 0o664 })
    const modes = await host.run(['stat', '-c', '%a', ...['a', 'a/b', 'a/file', 'a/shared'].map(name => join(directory, name))])
    expect(modes.stdout.split('\n')).toEqual(['700', '700', '600', '664', ''])
  })

  test('what exists stays when a directory is made again', async () => {
    const { host, directory } = await open()
    await host.write(join(directory, 'file'), 'kept')
    await host.makeDirectory(directory)
    expect(await host.list(directory)).toHaveLength(1)
  })

  test('without parents a directory is made only in one that is there', async () => {
    const { host, directory } = await open()
    await host.makeDirectory(join(directory, 'one'), { parents: false })
    await host.makeDirectory(join(directory, 'one'), { parents: false })
    expect((await host.run(['stat', '-c', '%a', join(directory, 'one')])).stdout).toBe('700\n')
    const error = await rejection(HoldfastError, host.makeDirectory(join(directory, 'none/two'), { parents: false }))
    expect(codeOf(error.cause)).toBe('ENOENT')
    await host.write(join(directory, 'file'), '')
    await expect(host.makeDirectory(join(directory, 'file'), { parents: false })).rejects.toThrow(HoldfastError)
    expect((await host.list(directory)).map(({ name }) => name)).toEqual(['file', 'one'])
  })

  test('what is there is readable, what is not is not', async () => {
    const { host, directory } = await open()
    await host.write(join(directory, 'file'), '')
    await host.run(['ln', '-s', 'nowhere', join(directory, 'dangling')])
    expect(await host.readable(directory)).toBe(true)
    expect(await host.readable(join(directory, 'file'))).toBe(true)
    for (const none of ['none', 'file/below', 'dangling']) expect(await host.readable(join(directory, none))).toBe(false)
  })

  test('a name as long as names can be', async () => {
    const { host, directory } = await open()
    const path = join(directory, 'n'.repeat(255))
    await host.write(path, 'x')
    expect(await host.stat(path)).toMatchObject({ size: 1 })
  })

  test('links are listed as links and followed by stat', async () => {
    const { host, directory } = await open()
    await host.write(join(directory, 'file'), '123')
    await host.run(['ln', '-s', 'file', join(directory, 'link')])
    await host.run(['ln', '-s', 'nowhere', join(directory, 'dangling')])
    await host.run(['mkfifo', join(directory, 'queue')])
    expect((await host.list(directory)).map(({ name, type }) => `${name} ${type}`)).toEqual([
      'dangling link',
      'file file',
      'link link',
      'queue other',
    ])
    expect(await host.stat(join(directory, 'link'))).toMatchObject({ type: 'file', size: 3 })
    expect(await host.stat(join(directory, 'dangling'))).toBeUndefined()
  })

  test('names that are not UTF-8 are listed and removed', async () => {
    const { host, directory } = await open()
    const tree = join(directory, 'tree')
    await host.run([
      'sh',
      '-c',
      'mkdir "$1" && mkdir "$1/$(printf "d\\377")" && : >"$1/$(printf "d\\377")/$(printf "f\\376")"',
      'sh',
      tree,
    ])
    expect(await host.list(tree)).toMatchObject([{ name: 'd\ufffd', type: 'directory' }])
    await host.remove(tree)
    expect(await host.list(directory)).toEqual([])
  })

  test('what is not there', async () => {
    const { host, directory } = await open()
    const path = join(directory, 'none')
    const error = await rejection(HoldfastError, host.read(path))
    expect(codeOf(error.cause)).toBe('ENOENT')
    expect(error.message).toContain(path)
    expect(await host.readIfThere(path)).toBeUndefined()
    expect(await host.stat(path)).toBeUndefined()
    expect(await host.list(path)).toEqual([])
    await host.remove(path)
  })

  test('a tree is removed whole, a link to one is only a link', async () => {
    const { host, directory } = await open()
    await host.makeDirectory(join(directory, 'tree/deep/deeper'))
    await host.write(join(directory, 'tree/deep/file'), '')
    await host.run(['ln', '-s', 'tree', join(directory, 'link')])
    await host.remove(join(directory, 'link'))
    expect(await host.list(join(directory, 'tree/deep'))).toHaveLength(2)
    await host.remove(join(directory, 'tree'))
    expect(await host.list(directory)).toEqual([])
  })

  test('a directory is not moved over one that holds something', async () => {
    const { host, directory } = await open()
    await host.makeDirectory(join(directory, 'from'))
    await host.makeDirectory(join(directory, 'to'))
    await host.write(join(directory, 'to/file'), 'kept')
    await expect(host.rename(join(directory, 'from'), join(directory, 'to'))).rejects.toThrow(HoldfastError)
    expect(await host.list(join(directory, 'to'))).toHaveLength(1)
  })

  test('space is that of the nearest parent', async () => {
    const { host, directory } = await open()
    const space = await host.space(join(directory, 'not/yet/there'))
    expect(space.free).toBeGreaterThan(0)
    expect(space.total).toBeGreaterThanOrEqual(space.free)
  })

  describe('paths', () => {
    test('the home is resolved and nothing else', async () => {
      const { host } = await open()
      const { stdout } = await host.run(['sh', '-c', 'printf %s "$HOME"'])
      expect(await host.resolve('~/x y')).toBe(join(stdout, 'x y'))
      expect(await host.resolve('/a/$HOME/~')).toBe('/a/$HOME/~')
    })

    test.each(['', 'relative', './x', '~', '~other/x', '/nul\0byte'])('%j is refused', async path => {
      const { host } = await open()
      await expect(host.resolve(path)).rejects.toThrow(InvalidInput)
      await expect(host.read(path)).rejects.toThrow(InvalidInput)
    })
  })
}
