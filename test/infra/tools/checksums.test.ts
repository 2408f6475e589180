import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import { checkArtifacts, hashFiles, parseChecksums } from '../../../infra/tools/checksums.ts'
import { makeBackup, sha256 } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'

const host = localHost()

test('any name is hashed, in the order asked', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'below'))
  const names = ['-c', 'new\nline', 'back\\slash', 'return\r', 'both\\n\n', ' space ', '*star', 'below/ü']
  for (const name of names) await writeFile(join(directory, name), `content of ${name}`)
  const expected = names.map(name => ({
    name,
    bytes: Buffer.byteLength(`content of ${name}`),
    sha256: sha256(`content of ${name}`),
  }))
  expect(await hashFiles(host, directory, names)).toEqual(expected)
})

test('any name of a file too large for us is hashed by the host', async () => {
  const directory = await temporaryDirectory()
  const names = ['-c', 'plain', 'new\nline', 'back\\slash', 'slash\\n', 'return\r', ' space ', '*star', 'ü']
  const contentOf = (name: string) => name.repeat(70_000)
  for (const name of names) await writeFile(join(directory, name), contentOf(name))
  const hashed = await hashFiles(host, directory, names)
  expect(hashed.map(({ sha256 }) => sha256)).toEqual(names.map(name => sha256(contentOf(name))))
})

test('thousands of files are hashed', async () => {
  const directory = await temporaryDirectory()
  const names = Array.from({ length: 1500 }, (_, index) => `${index}-${'x'.repeat(200)}`)
  await Promise.all(names.map(name => writeFile(join(directory, name), name)))
  expect(await hashFiles(host, directory, names)).toEqual(names.map(name => ({ name, bytes: name.length, sha256: sha256(name) })))
})

test('what is as the manifest says passes', async () => {
  const { directory, manifest } = await makeBackup(await temporaryDirectory())
  expect(await checkArtifacts(host, directory, manifest)).toEqual([
    { name: 'checksums', result: expect.stringContaining('2 of 2') },
  ])
})

test.each<[what: string, damage: (path: string) => Promise<void>, message: RegExp]>([
  ['another byte', path => writeFile(path, 'the dat4'), /data\.bin has SHA-256/],
  ['another length', path => writeFile(path, 'the data '), /data\.bin has 9 bytes, the manifest says 8/],
  ['nothing', path => rm(path), /data\.bin missing/],
  ['a link', path => rm(path).then(() => symlink('RESTORE.md', path)), /data\.bin missing, or no regular file/],
])('%s in the place of an artifact is found', async (_, damage, message) => {
  const { directory, manifest } = await makeBackup(await temporaryDirectory())
  await damage(join(directory, 'data.bin'))
  await expect(checkArtifacts(host, directory, manifest)).rejects.toMatchObject({
    name: 'VerificationFailed',
    message: expect.stringMatching(message),
    retryable: false,
  })
})

test('names are read as sha256sum escapes them', () => {
  const hash = sha256('')
  const escaped = (name: string) =>
    name.replace(/[\\\n\r]/g, letter => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r' })[letter] ?? letter)
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: fc.constantFrom('a', '\\', '\n', '\r', 'n', ' ', '*') }), name => {
      const line = escaped(name) === name ? `${hash} *${name}` : `\\${hash} *${escaped(name)}`
      expect(parseChecksums(`${line}\n`)).toEqual([[name, hash]])
    }),
  )
  expect(() => parseChecksums('sha256sum: no')).toThrow(/no checksum/)
})
