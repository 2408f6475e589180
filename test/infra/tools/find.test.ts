import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { byteName, textOf } from '../../../infra/tools/byte-names.ts'
import { realPaths, searchAll } from '../../../infra/tools/find.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { available } from '../../services/requires.ts'
import { listenAt } from '../sources/trees.ts'

const { signal } = new AbortController()
const host = localHost()

/** The real host; the programs that it starts are noted. */
function watched(): { through: Host; programs: string[] } {
  const programs: string[] = []
  const run: Host['run'] = (argv, options) => {
    programs.push(argv[0])
    return host.run(argv, options)
  }
  return { through: { ...host, run }, programs }
}

async function tree(): Promise<string> {
  const directory = (await execa('realpath', [await temporaryDirectory()])).stdout
  await mkdir(join(directory, 'real/deep'), { recursive: true })
  await writeFile(join(directory, 'real/file'), '')
  await symlink('real', join(directory, 'link'))
  await symlink('nowhere/at/all', join(directory, 'dangling'))
  await symlink('loop', join(directory, 'loop'))
  return directory
}

test.each([
  'real',
  'real/deep',
  'real/file',
  'real/file/below',
  'missing/below',
  'ünïcode',
  'link',
  'link/deep',
  'link/missing',
  'dangling',
  'dangling/below',
  'real/../link/deep',
  'real/../missing',
  'real//deep/.',
])('%s is where realpath says it is', async name => {
  const path = `${await tree()}/${name}`
  const { stdout } = await execa('realpath', ['-m', '--', path])
  expect((await realPaths(host, [path].map(byteName), signal)).map(textOf)).toEqual([stdout])
  expect((await realPaths(host, ['/usr', path].map(byteName), signal)).map(textOf).at(-1)).toBe(stdout)
})

test('paths without a link in them need no program, whatever else is there', async () => {
  const directory = await tree()
  const paths = ['real/deep', 'missing/below'].map(name => byteName(join(directory, name)))
  const { through, programs } = watched()
  expect(await realPaths(through, paths, signal)).toEqual(paths)
  expect(programs).toEqual([])
  const odd = `${byteName(directory)}/caf\xe9`
  expect(await realPaths(through, [odd], signal)).toEqual([odd])
  expect(programs).toEqual(['xargs'])
})

test('what stands at a path is told without a program, but for the odd ones', async () => {
  const directory = await tree()
  await listenAt(join(directory, 'socket'))
  const { through, programs } = watched()
  const names = ['real', 'real/file', 'link', 'dangling', 'missing', 'real/file/below', 'socket']
  const searches = await searchAll(
    through,
    names.map(name => join(directory, name)),
    signal,
  )
  expect(searches.map(({ found }) => found.map(({ type }) => type).join())).toEqual(['d', 'f', 'l', 'l', '', '', 's'])
  expect(searches.flatMap(({ found }) => found).every(({ readable }) => readable)).toBe(true)
  expect(searches.flatMap(({ problems }) => problems)).toEqual(Array(2).fill('No such file or directory'))
  expect(programs).toEqual(['find'])
})

test.skipIf(!available('setpriv', 'root'))('what may not be read is told from what may', async () => {
  const directory = await tree()
  await writeFile(join(directory, 'open'), '')
  for (const [name, mode] of [
    ['.', 0o755],
    ['real', 0o755],
    ['real/file', 0],
  ] as const)
    await chmod(join(directory, name), mode)
  const script = `
    const { localHost } = await import(${JSON.stringify(join(import.meta.dirname, '../../../infra/hosts/local.ts'))})
    for (const path of process.argv.slice(1)) console.log(await localHost().readable(path))`
  const paths = ['open', 'real/file', 'missing', 'link/file'].map(name => join(directory, name))
  const unprivileged = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--']
  const argv = [...unprivileged, process.execPath, '--input-type=module', '--eval', script, ...paths]
  expect((await execa('setpriv', argv, { cwd: '/' })).stdout.split('\n')).toEqual(['true', 'false', 'false', 'false'])
})
