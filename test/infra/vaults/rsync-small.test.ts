import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { isNoSpace } from '../../../infra/tools/disk.ts'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { available, requires } from '../../services/requires.ts'
import { putWork } from './opened.ts'
import { big, everything, host, open } from './rsync-parts.ts'

const files = { 'data.bin': 'the data', 'deep/er/file': 'deep down', 'RESTORE.md': '# How\n', empty: '' }

/** The real host; the programs that it starts are noted. `deed` happens right before the first file is written into a copy. */
function watched(deed = async () => {}): { through: Host; programs: string[] } {
  const programs: string[] = []
  let done: Promise<void> | undefined
  const through: Host = {
    ...host,
    run(argv, options) {
      programs.push(argv[0])
      return host.run(argv, options)
    },
    pipe(stages, options) {
      programs.push(...stages.map(({ argv }) => argv[0]))
      return host.pipe(stages, options)
    },
    async write(path, data, options) {
      if (path.includes('.partial-')) done ??= deed()
      await done
      return host.write(path, data, options)
    },
  }
  return { through, programs }
}

/** A vault that has a copy already: what a first one takes is done. */
async function used() {
  const [root, path] = [await temporaryDirectory(), join(await temporaryDirectory(), 'vault')]
  await open(path).put(putWork(host, await makeBackup(root, { files })))
  const made = await makeBackup(root, { files, at: '2026-11-21T03:00:00.000Z' })
  return { path, root, made, day: join(path, 'local', '2026-11-21') }
}

requires('rsync')('rsync: small files', () => {
  test('are copied without a program, for nobody else to read', async () => {
    const { path, made } = await used()
    const { through, programs } = watched()
    const { directory } = await open(path, through).put(putWork(host, made))
    expect(programs).toEqual([])
    for (const [name, content] of Object.entries(files)) {
      expect(await readFile(join(directory, name), 'utf8')).toBe(content)
      expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600)
    }
    expect((await stat(join(directory, 'deep/er'))).mode & 0o777).toBe(0o700)
  })

  test('are left to rsync where they are many, and beside large ones one rsync is enough', async () => {
    const { path, root, made } = await used()
    await open(path).put(putWork(host, made))
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`file${index}`, `${index}`]))
    const all = [many, { ...files, 'disk.img': big(1) }].map((more, index) =>
      makeBackup(root, { files: more, at: `2026-11-22T0${index}:00:00.000Z` }),
    )
    for (const one of await Promise.all(all)) {
      const { through, programs } = watched()
      await open(path, through).put(putWork(host, one))
      expect(programs.sort()).toEqual(expect.arrayContaining(['rsync', 'sync']))
      expect(programs.filter(program => program === 'rsync')).toHaveLength(1)
    }
  })

  test.each([
    ['a link', (path: string) => symlink('/etc/hostname', path)],
    ['a queue', (path: string) => execa('mkfifo', [path])],
    ['of another length', (path: string) => writeFile(path, 'the data and more')],
  ])('are refused where one is %s', async (_, spoil) => {
    const { path, made } = await used()
    await rm(join(made.directory, 'data.bin'))
    await spoil(join(made.directory, 'data.bin'))
    await expect(open(path).put(putWork(host, made))).rejects.toThrow(/data\.bin/)
    expect(await open(path).list()).toHaveLength(1)
  })

  test('aborted: rejects with the reason, nothing looks whole, and the next put finishes', async () => {
    const { path, made, day } = await used()
    const abort = new AbortController()
    const { through } = watched(async () => abort.abort(new Error('not ours any more')))
    await expect(open(path, through).put(putWork(host, made, { signal: abort.signal }))).rejects.toThrow('not ours any more')
    expect(await open(path).list()).toHaveLength(1)
    await open(path).put(putWork(host, made, { fence: '2' }))
    expect(await readdir(day)).toEqual(['zeus-020000Z', 'zeus-030000Z'])
  })

  test('the vault vanishes: the error says so, and it is not made again', async () => {
    const { path, made } = await used()
    const { through } = watched(() => rename(path, `${path}.unplugged`))
    await expect(open(path, through).put(putWork(host, made))).rejects.toThrow(`${path} vanished while ${made.manifest.id}`)
    expect(await readdir(dirname(path))).toEqual(['vault.unplugged'])
  })

  test('another writer is quicker: its copy is the answer', async () => {
    const { path, made, day } = await used()
    const quicker = Promise.withResolvers<unknown>()
    const { through } = watched(async () => quicker.resolve(await open(path).put(putWork(host, made, { fence: '2' }))))
    expect(await open(path, through).put(putWork(host, made))).toEqual(await quicker.promise)
    expect(await readdir(day)).toEqual(['zeus-020000Z', 'zeus-030000Z'])
  })
})

test.skipIf(!available('root'))('a disk that fills up in mid-copy is told, and the room is given back', async () => {
  const [root, path] = [await temporaryDirectory(), await temporaryDirectory({ tmpfs: '1m' })]
  await open(path).put(putWork(host, await makeBackup(root, { source: 'hera' })))
  const made = await makeBackup(root, { files: { one: 'x'.repeat(60_000), two: 'y'.repeat(60_000) } })
  await mkdir(join(path, 'local', 'filler'))
  const { through } = watched(async () => {
    const failed = await execa('dd', ['if=/dev/zero', `of=${join(path, 'local', 'filler', 'zeros')}`], { reject: false })
    expect(failed.exitCode).toBe(1)
  })
  const error = await open(path, through)
    .put(putWork(host, made))
    .catch((thrown: unknown) => thrown)
  expect(isNoSpace(error)).toBe(true)
  expect((await everything(path)).filter(name => basename(name).includes('partial'))).toEqual([])
})
