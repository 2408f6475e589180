import { randomBytes } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { requires } from '../../../services/requires.ts'
import { compareSums } from '../backup.ts'
import { filesPlace, listed } from './place.ts'

/** The real host; the command lines of the programs that it starts are noted. */
function watched(): { host: Host; started: string[] } {
  const [real, started]: [Host, string[]] = [localHost(), []]
  const host: Host = {
    ...real,
    run(argv, options) {
      started.push(argv.join(' '))
      return real.run(argv, options)
    },
    pipe(stages, options) {
      started.push(...stages.map(({ argv }) => argv.join(' ')))
      return real.pipe(stages, options)
    },
  }
  return { host, started }
}

function programs(started: readonly string[]): string[] {
  return started.map(line => line.split(' ')[0] ?? '')
}

requires('tar', 'zstd')('programs that are started', () => {
  test('for next to nothing are five, once the tools are known', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a/x', 'a/y')
    const { host, started } = watched()
    await backup({ paths: ['a'] }, { host }).capture()
    started.length = 0
    const small = backup({ paths: ['a'] }, { host })
    const { artifacts, details } = await small.capture()
    await small.verify()
    expect(programs(started)).toEqual(['tar', 'tar', 'zstd', 'zstd', 'tar'])
    expect(artifacts.every(({ sha256 }) => sha256 === undefined)).toBe(true)
    expect(details).toMatchObject({ entries: 3 })
    expect(await listed(small, data)).toEqual(['a/x', 'a/y'])
    await compareSums(small)
  })

  test('for more see the archive pass, and bring it and the listing to the disk', async () => {
    const { data, backup } = await filesPlace()
    await writeFile(join(data, 'big'), randomBytes(1_000_000))
    const { host, started } = watched()
    const large = backup({ paths: ['big'] }, { host })
    const { artifacts } = await large.capture()
    expect(programs(started)).toContain('tee')
    expect(started).toContain(`sync -- ${large.directory}/thing.tar.zst ${large.directory}/thing.listing.txt`)
    expect(artifacts[0]?.sha256).toBe(large.manifest().artifacts[0]?.sha256)
    await large.verify()
  })

  test('for a small archive with a long listing bring that to the disk, count its lines and compare it', async () => {
    const { make, backup } = await filesPlace()
    const deep = Array.from({ length: 12 }, () => 'd'.repeat(200)).join('/')
    await make(...Array.from({ length: 30 }, (_, index) => `${deep}/${index}`))
    const { host, started } = watched()
    const long = backup({ paths: ['d'.repeat(200)] }, { host })
    const { details } = await long.capture()
    const listing = `${long.directory}/thing.listing.txt`
    expect((await stat(listing)).size).toBeGreaterThan(64 * 1024)
    expect(started).toContain(`sync -- ${listing}`)
    expect(details.entries).toBe((await readFile(listing, 'utf8')).split('\n').length - 1)
    started.length = 0
    await long.verify()
    expect(programs(started)).toContain('sed')
  })

  test('a listing that says something else is damage, small as it is', async () => {
    const { make, backup } = await filesPlace()
    await make('a/x')
    const edited = backup({ paths: ['a'] })
    await edited.capture()
    const listing = join(edited.directory, 'thing.listing.txt')
    await writeFile(listing, (await readFile(listing, 'utf8')).replace('a/x', 'a/z'))
    await expect(edited.verify()).rejects.toThrow(/does not hold what thing\.listing\.txt lists/)
  })
})
