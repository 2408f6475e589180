import { execFile } from 'node:child_process'
import { chmod, chown, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import type { Source } from '../../../infra/sources/source.ts'
import { sqlite } from '../../../infra/sources/sqlite.ts'
import { requires } from '../../services/requires.ts'
import { backupId, putInPlace } from './backup.ts'
import { ask, execute, leaveWal, makeDatabase } from './databases.ts'
import { scene } from './sqlite-scene.ts'

requires('sqlite3')('sqlite', () => {
  test('rows that break a foreign key are backed up with a warning; more of them than then are damage', async () => {
    const { path, backup, artifact } = await scene()
    makeDatabase(path)
    execute(path, 'PRAGMA foreign_keys = OFF; INSERT INTO transfer VALUES (1, 999)')
    await backup.capture()
    expect(backup.warnings).toContainEqual(expect.stringContaining('1 rows break a foreign key'))
    expect(await backup.verify()).toContainEqual({ name: 'foreign_key_check', result: '1 rows break one, as in the source' })
    execute(artifact, 'PRAGMA foreign_keys = OFF; UPDATE transfer SET of = 998; INSERT INTO transfer VALUES (2, 998)')
    await expect(backup.verify()).rejects.toThrow('2 rows break a foreign key; 1 did')
  })

  test('a row that is missing is found, and an index that differs from its table', async () => {
    const { path, backup, artifact } = await scene()
    makeDatabase(path)
    execute(path, 'CREATE INDEX by_balance ON account (balance)')
    await backup.capture()
    const whole = await readFile(artifact)
    execute(artifact, 'DELETE FROM account WHERE id = 2')
    await expect(backup.verify()).rejects.toThrow('account has 1 rows, 2 were captured')
    await writeFile(artifact, whole)
    const [page] = ask(artifact, "SELECT rootpage FROM sqlite_schema WHERE name = 'by_balance'")
    whole.fill(0, (Number(page) - 1) * 4096 + 3, (Number(page) - 1) * 4096 + 5)
    await writeFile(artifact, whole)
    await expect(backup.verify()).rejects.toThrow(/not an intact database/)
  })

  test('a schema with functions of its program is checked as far as SQLite can', async () => {
    const { path, backup } = await scene()
    makeDatabase(path)
    const database = new DatabaseSync(path)
    database.function('shout', { deterministic: true }, text => String(text).toUpperCase())
    database.exec('CREATE INDEX loud ON account (shout(balance))')
    database.close()
    await backup.capture()
    expect(await backup.verify()).toContainEqual({ name: 'integrity_check', result: 'quick_check ok for 4 of 4 tables' })
    expect(backup.warnings).toContainEqual(expect.stringContaining('functions or collations that only its program has'))
  })

  test('what is put back has the owner and mode of what is there or was, follows links, and leaves no old journal', async () => {
    const { root, path, backup } = await scene()
    makeDatabase(path)
    await chmod(path, 0o640)
    await chmod(dirname(path), 0o750)
    if (process.getuid?.() === 0) await chown(path, 1234, 5678)
    const before = await stat(path)
    await backup.capture()
    await rm(dirname(path), { recursive: true })
    const { replacements } = await backup.stage('gone')
    expect(replacements.map(({ target }) => target)).toEqual(['-wal', '-shm', '-journal', ''].map(suffix => path + suffix))
    await putInPlace({ replacements, scratch: [], leftOut: false, checks: [] })
    expect(await stat(path)).toMatchObject({ mode: before.mode, uid: before.uid, gid: before.gid })
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o750)
    const link = join(root, 'link.db')
    await symlink(path, link)
    const linked = await backup.stage('linked', link)
    expect(linked.replacements.at(-1)?.target).toBe(path)
  })

  test('goes where it was where no configuration says another place', async () => {
    const { path, backup } = await scene()
    makeDatabase(path)
    await backup.capture()
    const { directory, manifest } = backup
    const silent = { signal: new AbortController().signal, progress: () => undefined, warn: () => undefined }
    const names = { source: 'thing', id: backupId, token: 'bare' }
    const driver: Source = sqlite
    const staged = await driver.stage({
      ...{ host: localHost(), directory, manifest: manifest(), options: {}, to: undefined, scratch: '/nonexistent' },
      ...silent,
      ...names,
    })
    expect(staged.replacements.at(-1)?.target).toBe(path)
  })

  test('RESTORE.md restores it by hand', async () => {
    const { path, backup } = await scene("it's orders.db")
    makeDatabase(path)
    const { instructions } = await backup.capture()
    execute(path, 'DELETE FROM account')
    await leaveWal(path)
    const commands = /```sh\n([^`]+)```/.exec(instructions)?.[1] ?? ''
    const { stdout } = await promisify(execFile)('sh', ['-c', commands], { cwd: backup.directory })
    expect(stdout).toBe('ok\nok\n')
    expect(ask(path, 'SELECT balance FROM account')).toEqual([0, 0])
    expect(ask(path, 'PRAGMA user_version')).toEqual([0])
    expect(ask(`${path}.before-restore`, 'SELECT count(*) FROM sqlite_schema')).toEqual([4])
    expect(await readdir(dirname(path))).toContain("it's orders.db-wal.before-restore")
  })
})
