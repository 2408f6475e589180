import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { InvalidInput, VerificationFailed } from '../../../../infra/errors.ts'
import { makeDirectory } from '../../../services/directory.ts'
import { requires } from '../../../services/requires.ts'
import { putInPlace, type TestBackup } from '../backup.ts'
import { awkwardTree, bytesPath, portrait } from '../trees.ts'
import { filesPlace, hostWith } from './place.ts'

requires(
  'tar',
  'zstd',
  'bash',
  'root',
  'setfattr',
  'setfacl',
  'setcap',
)('RESTORE.md', () => {
  /** Runs the blocks of commands below a heading, as a person would. */
  async function follow(backup: TestBackup, heading: string, env: Record<string, string> = {}): Promise<string> {
    const text = await readFile(join(backup.directory, 'RESTORE.md'), 'utf8')
    const section = text.split(/^## /m).find(part => part.startsWith(heading)) ?? ''
    const [, commands = ''] = /^```bash\n(.*?)^```/ms.exec(section) ?? []
    expect(commands).not.toBe('')
    return (await execa('bash', ['-c', commands], { cwd: backup.directory, env })).stdout
  }

  async function kept() {
    const place = await filesPlace()
    const trees = ["it's $HOME", 'new\nline', 'plain'].map(name => join(place.data, name))
    await awkwardTree(trees[0] ?? '')
    for (const tree of trees.slice(1)) await mkdir(tree)
    await writeFile(bytesPath(place.data, 'caf\xe9'), 'latin')
    const before = await portrait(place.data)
    const backup = place.backup({ paths: ['*'] })
    await backup.capture()
    return { ...place, before, kept: backup }
  }

  test('tells how to restore to a scratch directory', async () => {
    const { directory, data, kept: backup } = await kept()
    const scratch = join(directory, 'scratch')
    await follow(backup, 'Check')
    expect(await follow(backup, 'Restore to a scratch', { scratch })).toBe('')
    const inner = join(scratch, data)
    await execa('touch', ['--reference', data, inner])
    await execa('chmod', ['--reference', data, inner])
    expect(await portrait(inner)).toBe(await portrait(data))
  })

  test('tells how to restore in place, and keeps what was there', async () => {
    const { data, kept: backup } = await kept()
    await rm(join(data, 'plain'), { recursive: true })
    await writeFile(join(data, "it's $HOME", 'plain'), 'newer')
    const before = await portrait(join(data, 'new\nline'))
    await follow(backup, 'Restore in place')
    expect(await readFile(join(data, "it's $HOME", 'plain'), 'utf8')).toBe('this is plain')
    expect(await readFile(join(data, "it's $HOME.before-restore", 'plain'), 'utf8')).toBe('newer')
    expect(await readFile(bytesPath(data, 'caf\xe9'), 'utf8')).toBe('latin')
    expect(await readFile(bytesPath(data, 'caf\xe9.before-restore'), 'utf8')).toBe('latin')
    expect(await portrait(join(data, 'new\nline'))).toBe(before)
    expect(await portrait(join(data, 'plain'))).toContain('755')
  })
})

requires(
  'tar',
  'zstd',
  'root',
)('files are brought back', () => {
  test('beside each of several mounts, each by rename', async () => {
    await using other = await makeDirectory({ tmpfs: '10m' })
    const { data, make, backup } = await filesPlace()
    await make('a/x', 'b/y')
    await utimes(join(data, 'a/x'), 0, new Date('2400-01-01'))
    await mkdir(join(other.path, 'c'))
    await writeFile(join(other.path, 'c', 'z'), 'z')
    const two = backup({ paths: ['a', 'b/y', join(other.path, 'c')] })
    await two.capture()
    for (const path of [join(data, 'a'), join(data, 'b'), join(other.path, 'c')]) await rm(path, { recursive: true })
    const staged = await two.stage('t1')
    expect(two.warnings, 'a time in the future is none').toEqual([])
    expect(staged.scratch.sort()).toEqual([join(data, '.holdfast-t1'), join(other.path, '.holdfast-t1')].sort())
    await putInPlace(staged)
    expect(await readFile(join(data, 'a/x'), 'utf8')).toBe('a/x')
    expect(await readFile(join(data, 'b/y'), 'utf8')).toBe('b/y')
    expect(await readFile(join(other.path, 'c/z'), 'utf8')).toBe('z')
  })

  test('not over a mount point, which cannot be moved aside', async () => {
    await using other = await makeDirectory({ tmpfs: '10m' })
    await writeFile(join(other.path, 'x'), 'x')
    const { directory, backup } = await filesPlace()
    const mounted = backup({ paths: [other.path] })
    await mounted.capture()
    await expect(mounted.stage('t1')).rejects.toThrow(/is a mount point/)
    await putInPlace(await mounted.stage('t1', join(directory, 'to')))
    expect(await readFile(join(directory, 'to', other.path, 'x'), 'utf8')).toBe('x')
  })

  test('not over a directory with something mounted in it, which would be moved aside with it', async () => {
    const { data, make, backup } = await filesPlace()
    await make('a/x')
    const above = backup({ paths: ['a'] })
    await above.capture()
    const inside = join(data, 'a', 'deep', 'caf\u00e9 \\ b')
    await mkdir(inside, { recursive: true })
    await execa('mount', ['-t', 'tmpfs', 'tmpfs', inside])
    try {
      await expect(above.stage('t1')).rejects.toMatchObject({
        name: 'InvalidInput',
        message: expect.stringMatching(/deep\/.* is mounted at or below .*\/a:/),
        hint: expect.stringContaining('Unmount'),
      })
      expect(await readdir(data)).toEqual(['a'])
    } finally {
      await execa('umount', [inside])
    }
    await putInPlace(await above.stage('t1'))
  })

  test('not in place where a name is not UTF-8, but elsewhere', async () => {
    const { directory, data, make, backup } = await filesPlace()
    await make('plain')
    await writeFile(bytesPath(data, 'caf\xe9'), 'latin')
    const odd = backup({ paths: ['*'] })
    await odd.capture()
    await expect(odd.stage('t1')).rejects.toThrow(InvalidInput)
    await putInPlace(await odd.stage('t1', join(directory, 'to')))
    expect(await readFile(bytesPath(join(directory, 'to', data), 'caf\xe9'), 'utf8')).toBe('latin')
  })

  test('only where they belong', async () => {
    const { make, backup } = await filesPlace()
    await make('a')
    const one = backup({ paths: ['a'] })
    await one.capture()
    await expect(one.stage('t1', '/srv/../etc')).rejects.toThrow(InvalidInput)
    await expect(one.stage('t1', 'relative')).rejects.toThrow(InvalidInput)
    one.manifest().details.roots = ['/srv/../etc/passwd']
    await expect(one.stage('t1')).rejects.toThrow(VerificationFailed)
  })

  test('compared with the archive before anything is replaced', async () => {
    const place = await filesPlace()
    await place.make('a/x')
    const whole = place.backup({ paths: ['a'] })
    await whole.capture()
    // Stands for a disk that does not keep what is written to it.
    const forgetful = hostWith(stage => {
      if (!stage.argv.includes('--compare')) return [stage]
      const lost = join(place.data, '.holdfast-t1', place.data, 'a/x')
      return [{ ...stage, argv: ['sh', '-c', 'echo y >"$1"; shift; exec "$@"', 'sh', lost, ...stage.argv] }]
    })
    const restored = place.backup({ paths: ['a'] }, { host: forgetful })
    await restored.capture()
    await expect(restored.stage('t1')).rejects.toThrow(/differs from the archive: .*a\/x: .*differs/)
  })

  test('not where there is no room, and leaves nothing there', async () => {
    await using small = await makeDirectory({ tmpfs: '1m' })
    const { data, backup } = await filesPlace()
    await writeFile(join(data, 'big'), Buffer.alloc(3_000_000))
    const big = backup({ paths: ['big'] })
    await big.capture()
    await rename(join(data, 'big'), join(data, 'gone'))
    await expect(big.stage('t1', join(small.path, 'to'))).rejects.toMatchObject({ retryable: false })
  })
})
