import { randomBytes } from 'node:crypto'
import { appendFile, chmod, chown, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test, vi } from 'vitest'
import { makeDirectory } from '../../../services/directory.ts'
import { requires } from '../../../services/requires.ts'
import { listenAt } from '../trees.ts'
import { type FilesPlace, filesPlace, hostWith, listed, writesArchive } from './place.ts'

const BIG = 4_000_000

/** Lets go of `deed` once tar has read two megabytes, and holds tar still until the deed is done. */
async function midway({ directory, backup }: FilesPlace, paths: string[], deed: () => Promise<void>) {
  const [ready, go] = [join(directory, 'ready'), join(directory, 'go')]
  const script = 'head -c 2000000; : >"$1"; while [ ! -e "$2" ]; do sleep 0.01; done; cat'
  const host = hostWith(stage => (writesArchive(stage) ? [stage, { argv: ['sh', '-c', script, 'sh', ready, go] }] : [stage]))
  const disturbed = backup({ paths }, { host })
  const captured = disturbed.capture()
  await Promise.race([captured, vi.waitUntil(() => stat(ready).catch(() => undefined), { timeout: 10_000 })])
  await deed()
  await writeFile(go, '')
  return { disturbed, captured }
}

requires(
  'tar',
  'zstd',
  'sh',
)('while files are in use', () => {
  test.each([
    ['changed', (path: string) => appendFile(path, 'more'), /data\/big changed while it was read/],
    ['shrank', (path: string) => truncate(path, 1_000_000), /data\/big shrank by \d+ bytes while it was read/],
  ])('names the file that %s, and calls the copy what it is', async (_, disturb, warning) => {
    const place = await filesPlace()
    await writeFile(join(place.data, 'big'), Buffer.alloc(BIG, 'x'))
    const { disturbed, captured } = await midway(place, ['big'], () => disturb(join(place.data, 'big')))
    expect((await captured).consistency).toEqual({ asked: 'crash', achieved: 'none' })
    expect(disturbed.warnings).toEqual(expect.arrayContaining([expect.stringMatching(warning)]))
    await disturbed.verify()
    expect((await disturbed.stage('first')).leftOut).toBe(false)
  })

  test('names the file that was removed before its turn', async () => {
    const place = await filesPlace()
    // One is being read when both go; which one, the directory decides.
    for (const name of ['one', 'two']) await writeFile(join(place.data, name), Buffer.alloc(BIG, 'x'))
    const { disturbed, captured } = await midway(place, [place.data], async () => {
      for (const name of ['one', 'two']) await rm(join(place.data, name))
    })
    expect((await captured).details).toMatchObject({ missing: 1 })
    expect(disturbed.warnings.filter(warning => /data\/(one|two) was removed before it was read/.test(warning))).toHaveLength(1)
    expect(await listed(disturbed, place.data)).toHaveLength(1)
    await disturbed.verify()
  })

  test('fails where a path that was asked for by name goes away', async () => {
    const place = await filesPlace()
    await place.make('later/x')
    await writeFile(join(place.data, 'big'), Buffer.alloc(BIG, 'x'))
    const { captured } = await midway(place, ['big', 'later'], () => rm(join(place.data, 'later'), { recursive: true }))
    await expect(captured).rejects.toMatchObject({
      retryable: true,
      message: expect.stringContaining('data/later could not be read'),
    })
  })
})

requires(
  'tar',
  'zstd',
  'setpriv',
  'root',
)('what cannot be read', () => {
  /** Root without its right to read everything. */
  const host = hostWith(stage => {
    const { argv } = stage
    return [argv[0] === 'tar' ? { ...stage, argv: ['setpriv', '--bounding-set=-dac_override,-dac_read_search', ...argv] } : stage]
  })

  async function lock(path: string): Promise<void> {
    await chown(path, 65534, 65534)
    await chmod(path, 0)
  }

  test('is a warning that names it; the rest is kept', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a/open', 'a/locked ü', 'a/dir/x')
    await lock(join(data, 'a/locked ü'))
    await lock(join(data, 'a/dir'))
    const partly = backup({ paths: ['a'] }, { host })
    await partly.capture()
    expect(partly.warnings.sort()).toEqual(
      ['dir', 'locked ü'].map(name => `${data}/a/${name} could not be read (Permission denied): it was not kept`),
    )
    expect(await listed(partly, data)).toEqual(['a/open'])
    await partly.verify()
    expect((await partly.stage('first')).leftOut, 'what was moved aside may have it').toBe(true)
  })

  test('is a failure where it is all of a path', async () => {
    const { data, make, backup } = await filesPlace()
    await make('open', 'locked')
    await lock(join(data, 'locked'))
    await expect(backup({ paths: ['open', 'locked'] }, { host }).capture()).rejects.toThrow(/data\/locked could not be read/)
  })
})

requires(
  'tar',
  'zstd',
  'root',
)('a capture', () => {
  test('fails where the disk fills up', async () => {
    await using small = await makeDirectory({ tmpfs: '2m' })
    const { data, backup } = await filesPlace()
    await writeFile(join(data, 'growing'), randomBytes(1_000_000))
    const growing = backup({ paths: ['growing'] }, { root: small.path })
    await growing.snapshot()
    await appendFile(join(data, 'growing'), randomBytes(3_000_000))
    await expect(growing.capture()).rejects.toThrow(/No space left on device/)
  })

  test('lists the sockets it left out, and warns of none', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a/x')
    await listenAt(join(data, 'a/so\ncket'))
    const kept = backup({ paths: ['a'] })
    const { artifacts, instructions } = await kept.capture()
    expect(kept.warnings).toEqual([])
    expect(artifacts.map(({ name }) => name)).toContain('thing.left-out.txt')
    expect(await readFile(join(kept.directory, 'thing.left-out.txt'), 'utf8')).toBe(`${data}/a/so\\ncket (socket)\n`)
    expect(instructions).toContain('thing.left-out.txt')
  })

  test('of ten thousand files tells how far it is', async () => {
    await using quick = await makeDirectory({ tmpfs: '100m' })
    const { path: cwd } = quick
    const { backup } = await filesPlace()
    const numbers = Array.from({ length: 10_000 }, (_, index) => `${index}\n`).join('')
    await execa('split', ['--lines=1', '--suffix-length=4', '--numeric-suffixes', '-', 'number-'], { cwd, input: numbers })
    const many = backup({ paths: [cwd], rsyncable: true })
    const { details } = await many.capture()
    expect(details).toMatchObject({ entries: 10_001, missing: 0 })
    expect(many.progress.length).toBeGreaterThan(0)
    expect(many.progress.every(({ bytes, total = 0 }) => bytes <= total)).toBe(true)
    expect((await many.verify()).map(({ result }) => result)).toEqual([
      expect.stringMatching(/^10,001 entries, \d/),
      '10,001 lines alike',
    ])
  })
})
