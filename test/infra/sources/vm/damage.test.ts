import { appendFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { type Place, rootPlace, vaultPlace } from '../../../../infra/find.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { ChainDamaged, scrub } from '../../../../infra/scrub.ts'
import { rsync } from '../../../../infra/vaults/rsync.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { requires } from '../../../services/requires.ts'
import { putWork } from '../../vaults/opened.ts'
import { breakTables, check, failureOf, flip, takeOut } from './damaging.ts'
import { definition, megabytes, resealed, type Stored, storedChain } from './stored.ts'

const host = localHost()
const signal = new AbortController().signal
const IMAGE = 'zeus_vda.qcow2'

requires(
  'qemu-img',
  'qemu-io',
  'rsync',
)('a stored chain', () => {
  test('is sound, and a disk comes out of it whole, standing on nothing', async () => {
    const root = await temporaryDirectory()
    const [full, , newest] = await storedChain(root)
    expect(await check(full)).toContainEqual({ name: IMAGE, result: 'sound and whole' })
    expect(await check(newest)).toContainEqual({ name: IMAGE, result: 'sound, and opens over 2 older images to its base' })
    const to = join(root, 'out.qcow2')
    const { checks } = await takeOut(newest, [rootPlace(host, root)], to)
    expect(checks).toContainEqual({ name: 'chain', result: '2 older backups it builds on, checksums compared' })
    expect(await megabytes(to)).toEqual([1, 2, 3, 0, 0, 0, 0, 0])
    expect((await execa('qemu-img', ['info', '--backing-chain', '--output=json', to])).stdout).not.toContain('backing-filename')
  })

  test.each([
    [
      'a flipped bit in the base',
      ([full]: Stored[]) => flip(join(full?.directory ?? '', IMAGE)),
      /2026-11-18\/zeus-020000Z .*zeus_vda\.qcow2 has SHA-256/,
    ],
    [
      'a flipped bit between',
      ([, one]: Stored[]) => flip(join(one?.directory ?? '', IMAGE)),
      /2026-11-19\/zeus-020000Z .*zeus_vda\.qcow2 has SHA-256/,
    ],
    [
      'a base that is gone',
      ([full]: Stored[]) => rm(full?.directory ?? '', { recursive: true }),
      /builds on zeus-20261118T020000Z, which is not there/,
    ],
    [
      'a manifest between that was edited',
      ([, one]: Stored[]) => appendFile(join(one?.directory ?? '', 'manifest.json'), ' '),
      /builds on zeus-20261119T020000Z, which cannot be read: .*2026-11-19\/zeus-020000Z\/manifest\.json .*changed after it was verified/,
    ],
    [
      'a truncated image',
      ([, , newest]: Stored[]) => truncate(join(newest?.directory ?? '', IMAGE), 70_000),
      /2026-11-20\/zeus-020000Z .*zeus_vda\.qcow2 has 70000 bytes/,
    ],
  ])('%s is named, and nothing is restored', async (_, damage, said) => {
    const root = await temporaryDirectory()
    const chain = await storedChain(root)
    await damage(chain)
    const to = join(root, 'out.qcow2')
    expect(await failureOf(takeOut(chain[2], [rootPlace(host, root)], to))).toMatch(said)
    expect(await stat(to).catch(() => undefined)).toBeUndefined()
  })

  test('in a vault comes back from there, in place or fetched as a whole, and a damaged copy of a parent is passed over', async () => {
    const root = await temporaryDirectory()
    const shelf = join(root, 'shelf')
    const chain = await storedChain(join(root, 'backups'))
    const vault = rsync.open('shelf', { path: shelf }, () => host)
    for (const backup of chain) await vault.put(putWork(host, backup))
    await flip(join(chain[0].directory, IMAGE))
    const here = rootPlace(host, join(root, 'backups'))
    const places = [here, vaultPlace(vault)]
    expect(await takeOut(chain[2], places, join(root, 'one.qcow2'))).toMatchObject({ from: 'shelf' })
    expect(await megabytes(join(root, 'one.qcow2'))).toEqual([1, 2, 3, 0, 0, 0, 0, 0])
    await rm(join(root, 'backups'), { recursive: true })
    const away: Place = { ...vaultPlace(vault), host: undefined }
    expect(await takeOut(chain[2], [away], join(root, 'two.qcow2'))).toMatchObject({ from: 'shelf' })
    expect(await megabytes(join(root, 'two.qcow2'))).toEqual([1, 2, 3, 0, 0, 0, 0, 0])
    const left = await host.list(join(root, 'two.qcow2.state'))
    expect(left.map(({ name }) => name)).toEqual(['restore-one.json'])
  })

  describe('what checksums cannot see is found by the kind itself', () => {
    test.each([
      [
        'an image of another size',
        (directory: string) => execa('qemu-img', ['resize', '-q', join(directory, IMAGE), '9M']),
        /holds a disk of 9437184 bytes, the manifest says 8388608/,
      ],
      [
        'an image that builds on another',
        (directory: string) =>
          execa('qemu-img', ['rebase', '-u', '-F', 'qcow2', '-b', '../elsewhere.qcow2', join(directory, IMAGE)]),
        /does not open down to its base/,
      ],
      [
        'an image that is not one',
        (directory: string) => writeFile(join(directory, IMAGE), 'x'.repeat(4096)),
        /is raw, the manifest says qcow2/,
      ],
      ['broken tables', (directory: string) => breakTables(join(directory, IMAGE)), /zeus_vda\.qcow2 (is damaged|does not open)/],
      [
        'the definition of another domain',
        (directory: string) => writeFile(join(directory, 'zeus.xml'), definition.replace('<name>zeus', '<name>hera')),
        /defines hera .*the manifest says zeus/,
      ],
      [
        'half a definition',
        (directory: string) => truncate(join(directory, 'zeus.xml'), 100),
        /zeus\.xml: this is no domain XML/,
      ],
      [
        'a base that is gone',
        async (directory: string) =>
          rename(join(dirname(dirname(directory)), '2026-11-18'), join(dirname(dirname(directory)), 'gone')),
        /does not open down to its base/,
      ],
    ])('%s', async (_, damage, said) => {
      const root = await temporaryDirectory()
      const [, , newest] = await storedChain(root)
      await damage(newest.directory)
      expect(await failureOf(check(await resealed(newest)))).toMatch(said)
    })

    test('a disk that was plugged in for one run alone is no damage, and is said', async () => {
      const [, , newest] = await storedChain(await temporaryDirectory())
      await writeFile(join(newest.directory, 'zeus.xml'), definition.replaceAll('vda', 'vdb'))
      const checks = await check(await resealed(newest))
      expect(checks).toContainEqual({ name: 'domain', result: 'zeus, 1 of 1 disks; vda in no definition' })
    })

    test('an image that builds on something outside of every backup', async () => {
      const root = await temporaryDirectory()
      const [full, one] = await storedChain(root)
      await execa('cp', [join(full.directory, IMAGE), join(root, 'stray.qcow2')])
      const stray = '../../stray.qcow2'
      await execa('qemu-img', ['rebase', '-u', '-F', 'qcow2', '-b', stray, join(one.directory, IMAGE)])
      const details = JSON.parse(JSON.stringify(one.manifest.details).replace(`../../2026-11-18/zeus-020000Z/${IMAGE}`, stray))
      expect(await failureOf(check(await resealed({ ...one, manifest: { ...one.manifest, details } })))).toContain(
        'belongs to no backup',
      )
    })
  })

  test('the slow re-reading fails what builds on the damage, and leaves a chain of today alone', async () => {
    const root = await temporaryDirectory()
    const chain = await storedChain(root, 4)
    const newest = chain.at(-1) ?? chain[2]
    await flip(join(chain[1].directory, IMAGE))
    const nights = (count: number) => new Date(Date.parse(newest.manifest.at) + count * 24 * 3600_000)
    expect(await scrub(host, newest, signal, nights(-1))).toEqual([])
    expect(await scrub(host, newest, signal, nights(0))).toEqual([{ name: 'older backup re-read', result: chain[0].manifest.id }])
    await writeFile(join(chain[2].directory, 'verified.json'), await noted(chain[2], chain[0], nights(0)))
    const damaged = await scrub(host, newest, signal, nights(1)).catch((error: unknown) => error)
    if (!(damaged instanceof ChainDamaged)) throw new Error(`not damaged: ${damaged}`)
    expect(damaged.message).toMatch(/2026-11-19.*zeus_vda\.qcow2 has SHA-256/)
    expect(damaged.lost.map(({ directory }) => basename(dirname(directory)))).toEqual(['2026-11-20', '2026-11-19'])
  })
})

/** A verified.json that says of an older one that it was re-read. */
async function noted({ directory }: Stored, { manifest }: Stored, at: Date): Promise<string> {
  const { manifest: digest } = JSON.parse(Buffer.from(await host.read(join(directory, 'verified.json'))).toString())
  return JSON.stringify({
    at: at.toISOString(),
    manifest: digest,
    checks: [{ name: 'older backup re-read', result: manifest.id }],
  })
}
