import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { VerificationFailed } from '../../../infra/errors.ts'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { vaultContract } from './contract.ts'
import { putWork } from './opened.ts'
import { everything, flip, host, open } from './rsync-parts.ts'

requires('rsync')('rsync', () => {
  vaultContract('rsync', async () => ({
    vault: open(join(await temporaryDirectory(), 'vault')),
    host,
    damage: ({ directory }, artifact) => flip(join(directory, artifact)),
  }))

  test('the layout is the public one, for its owner alone', async () => {
    const path = join(await temporaryDirectory(), 'vault')
    const made = await makeBackup(await temporaryDirectory(), {
      label: 'r420.example.com',
      files: { 'a.bin': 'a', 'b/c.bin': 'c' },
    })
    const copy = await open(path).put(putWork(host, made))
    expect(copy.directory).toBe(join(path, 'r420.example.com', '2026-11-21', 'zeus-020000Z'))
    const modes = await Promise.all(
      (await everything(path)).map(async name => [name, (await stat(join(path, name))).mode & 0o777]),
    )
    const backup = 'r420.example.com/2026-11-21/zeus-020000Z'
    expect(Object.fromEntries(modes)).toEqual({
      '.holdfast-vault.json': 0o600,
      'r420.example.com': 0o700,
      'r420.example.com/.holdfast-host.json': 0o600,
      'r420.example.com/2026-11-21': 0o700,
      [backup]: 0o700,
      [`${backup}/a.bin`]: 0o600,
      [`${backup}/b`]: 0o700,
      [`${backup}/b/c.bin`]: 0o600,
      [`${backup}/manifest.json`]: 0o600,
    })
  })

  describe('a copy that is there', () => {
    test('without a manifest is no copy, and is not written over', async () => {
      const path = join(await temporaryDirectory(), 'vault')
      const made = await makeBackup(await temporaryDirectory())
      const { directory } = await open(path).put(putWork(host, made))
      await rm(join(directory, 'manifest.json'))
      await expect(open(path).put(putWork(host, made))).rejects.toThrow('without a manifest')
      expect(await readdir(directory)).toContain('data.bin')
    })

    test('with a short artifact is not taken for whole', async () => {
      const path = join(await temporaryDirectory(), 'vault')
      const made = await makeBackup(await temporaryDirectory())
      const { directory } = await open(path).put(putWork(host, made))
      await writeFile(join(directory, 'data.bin'), 'the')
      await expect(open(path).put(putWork(host, made))).rejects.toThrow(VerificationFailed)
    })

    test('with an edited manifest is named, not listed', async () => {
      const path = join(await temporaryDirectory(), 'vault')
      const { directory } = await open(path).put(putWork(host, await makeBackup(await temporaryDirectory())))
      await flip(join(directory, 'manifest.json'))
      const unreadable: string[] = []
      expect(await open(path).list({ unreadable: found => unreadable.push(found.directory) })).toEqual([])
      expect(unreadable).toEqual([directory])
    })

    test('in another place is neither removed nor written to', async () => {
      const path = join(await temporaryDirectory(), 'vault')
      const made = await makeBackup(await temporaryDirectory())
      await open(path).put(putWork(host, made))
      const [copy] = await open(path).list()
      const elsewhere = {
        ...made,
        digest: copy?.digest ?? '',
        verified: undefined,
        failed: undefined,
        hold: undefined,
        copies: [],
        drills: [],
      }
      await expect(open(path).remove(elsewhere)).rejects.toThrow('does not lie in vault nas')
      expect(await readdir(made.directory)).toContain('manifest.json')
    })
  })

  test('a label that leaves the vault is refused', async () => {
    const path = join(await temporaryDirectory(), 'vault')
    const made = await makeBackup(await temporaryDirectory(), { label: '../elsewhere' })
    await expect(open(path).put(putWork(host, made))).rejects.toThrow('cannot be the name of a directory')
    expect(await readdir(dirname(path))).toEqual([])
  })

  test('an artifact that bears a document’s name is refused', async () => {
    const path = join(await temporaryDirectory(), 'vault')
    const made = await makeBackup(await temporaryDirectory(), { files: { 'hold.json': '{}' } })
    await expect(open(path).put(putWork(host, made))).rejects.toThrow('hold.json is the name of a document')
  })
})
