import { expect, test } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { syncFiles } from '../../../infra/tools/disk.ts'
import { temporaryDirectory } from '../../services/directory.ts'

const { signal } = new AbortController()

/** The real host; what its `sync` is asked for is noted. */
function syncing(): { host: Host; synced: string[][] } {
  const [real, synced]: [Host, string[][]] = [localHost(), []]
  const run: Host['run'] = (argv, options) => {
    synced.push([...argv])
    return real.run(argv, options)
  }
  return { host: { ...real, run }, synced }
}

test('files are brought to the disk with all directories that they lie in', async () => {
  const { host, synced } = syncing()
  const directory = await temporaryDirectory()
  await host.makeDirectory(`${directory}/a/b`)
  for (const name of ['-x', 'a/b/c', 'a/b/d']) await host.write(`${directory}/${name}`, name)
  await syncFiles(host, directory, ['-x', 'a/b/c', 'a/b/d'], signal)
  const all = ['/-x', '/a/b/c', '/a/b/d', '', '/a/b', '/a'].map(name => directory + name)
  expect(synced).toEqual([['sync', '--', ...all]])
})

test('of many, none is forgotten', async () => {
  const { host, synced } = syncing()
  const directory = await temporaryDirectory()
  const names = Array.from({ length: 1000 }, (_, index) => `${'n'.repeat(200)}${index}`)
  await host.run(['touch', '--', ...names.map(name => `${directory}/${name}`)])
  synced.length = 0
  await syncFiles(host, directory, names, signal)
  expect(synced.length).toBeGreaterThan(1)
  expect(new Set(synced.flatMap(argv => argv.slice(2))).size).toBe(1001)
})

test('a file that is gone is a failure, and so is a writer that lost its right', async () => {
  const { host, synced } = syncing()
  const directory = await temporaryDirectory()
  await expect(syncFiles(host, directory, ['none'], signal)).rejects.toThrow(/none/)
  synced.length = 0
  await expect(syncFiles(host, directory, [], AbortSignal.abort(new Error('not ours any more')))).rejects.toThrow('not ours')
  await syncFiles(host, directory, [], signal)
  expect(synced).toEqual([])
})
