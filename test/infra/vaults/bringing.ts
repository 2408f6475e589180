/** Copies that go into a vault and come back. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VerificationFailed } from '../../../infra/errors.ts'
import { makeBackup, manifestText, sha256 } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { getWork, type OpenVault, putWork } from './opened.ts'

const awkward = [
  'with space',
  '-rf',
  '--help',
  '#comment',
  ';comment',
  ' lead',
  '*',
  'ünïcode',
  'back\\slash',
  'a:b',
  'deep/er/file',
]

export function bringing(open: OpenVault): void {
  test('every byte comes back, with what was learned, and nothing foreign', async () => {
    const { vault, host } = await open()
    const files = Object.fromEntries(awkward.map(file => [file, `content of ${file}`]))
    const made = await makeBackup(await temporaryDirectory(), { files: { ...files, empty: '' } })
    const verified = JSON.stringify({ at: made.manifest.at, manifest: sha256(manifestText(made.manifest)), checks: [] })
    await host.makeDirectory(join(made.directory, 'drills'))
    for (const [file, text] of [
      ['verified.json', verified],
      ['drills/20261121.json', JSON.stringify({ at: made.manifest.at, ok: true, checks: [] })],
    ] as const)
      await writeFile(join(made.directory, file), text)
    for (const foreign of ['foreign.txt', 'copies.json.old', 'drills/.hidden.json'])
      await writeFile(join(made.directory, foreign), 'x')
    await writeFile(join(made.directory, 'copies.json'), '{"copies":[]}')
    await vault.put(putWork(host, made))

    const to = join(await temporaryDirectory(), 'new', 'zeus')
    const [backup] = await vault.list()
    if (!backup) throw new Error('nothing listed')
    await vault.get(backup, getWork(host, to))
    for (const [file, content] of Object.entries(files)) expect(await readFile(join(to, file), 'utf8')).toBe(content)
    expect(await readFile(join(to, 'manifest.json'))).toEqual(await readFile(join(made.directory, 'manifest.json')))
    expect((await readdir(to, { recursive: true })).sort()).toEqual(
      [...awkward, 'empty', 'deep', 'deep/er', 'manifest.json', 'verified.json', 'drills', 'drills/20261121.json'].sort(),
    )
  })

  test('a second put answers with the copy that is there', async () => {
    const { vault, host } = await open()
    const made = await makeBackup(await temporaryDirectory())
    const first = await vault.put(putWork(host, made))
    expect(first).toMatchObject({ vault: vault.name, bytes: made.manifest.bytes })
    expect(await vault.put(putWork(host, made, { fence: '2' }))).toEqual(first)
    expect(await vault.list()).toHaveLength(1)
  })

  test('another backup of the same id is refused, and the first stays', async () => {
    const { vault, host } = await open()
    const root = await temporaryDirectory()
    const first = await makeBackup(root)
    await vault.put(putWork(host, first))
    const second = await makeBackup(root, { files: { 'data.bin': 'other' } })
    await expect(vault.put(putWork(host, second))).rejects.toThrow(VerificationFailed)
    expect((await vault.list()).map(({ manifest }) => manifest)).toEqual([first.manifest])
  })

  test('a source that is damaged makes no copy', async () => {
    const { vault, host } = await open()
    const made = await makeBackup(await temporaryDirectory(), { files: { 'data.bin': 'the data' } })
    await writeFile(join(made.directory, 'data.bin'), 'the dAta')
    await expect(vault.put(putWork(host, made))).rejects.toThrow(VerificationFailed)
    expect(await vault.list()).toEqual([])
  })

  test('a source whose manifest was edited makes no copy', async () => {
    const { vault, host } = await open()
    const made = await makeBackup(await temporaryDirectory())
    await writeFile(join(made.directory, 'manifest.json'), manifestText({ ...made.manifest, reason: 'edited' }))
    await expect(vault.put(putWork(host, made))).rejects.toThrow(VerificationFailed)
    expect(await vault.list()).toEqual([])
  })

  test('an aborted put leaves nothing that looks whole, and the next one succeeds', async () => {
    const { vault, host } = await open()
    const made = await makeBackup(await temporaryDirectory())
    const abort = new AbortController()
    abort.abort(new Error('not ours any more'))
    await expect(vault.put(putWork(host, made, { signal: abort.signal }))).rejects.toThrow('not ours any more')
    expect(await vault.list()).toEqual([])
    await vault.put(putWork(host, made, { fence: '2' }))
    expect(await vault.list()).toHaveLength(1)
  })

  test('get never touches what is there already', async () => {
    const { vault, host } = await open()
    await vault.put(putWork(host, await makeBackup(await temporaryDirectory())))
    const [backup] = await vault.list()
    const to = await temporaryDirectory()
    await expect(backup && vault.get(backup, getWork(host, to))).rejects.toThrow('there already')
    expect(await readdir(to)).toEqual([])
  })
}
