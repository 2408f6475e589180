import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { sqlite } from '../../../infra/sources/sqlite.ts'
import { sha256 } from '../../services/backup.ts'
import { requires } from '../../services/requires.ts'
import { backupOf, putInPlace } from './backup.ts'
import { sourceContract } from './contract.ts'
import { ask, crashWriter, execute, leaveWal, makeDatabase, startWriter } from './databases.ts'
import { scene } from './sqlite-scene.ts'

const BALANCE = 'SELECT sum(balance) FROM account'
const TRANSFERS = 'SELECT count(*) FROM transfer'

requires('sqlite3')('sqlite', () => {
  sourceContract({
    source: sqlite,
    missing: directory => ({ path: join(directory, 'nothing.db') }),
    findsFlippedBit: false,
    async prepare(directory) {
      await mkdir(directory)
      const path = join(directory, 'orders.db')
      makeDatabase(path)
      execute(path, 'INSERT INTO transfer VALUES (77, 1)')
      return {
        options: { path },
        artifact: 'thing.sqlite',
        elsewhere: join(directory, 'elsewhere.db'),
        destroy: async () => execute(path, 'DELETE FROM transfer'),
        expectIntact: async (to = path) => expect(ask(to, 'SELECT id FROM transfer')).toEqual([77]),
      }
    },
  })

  test.each([
    ['backup', 'wal'],
    ['vacuum', 'wal'],
    ['backup', 'delete'],
  ] as const)('%s of a database in mode %s under constant writes is one committed state of it', async (method, journalMode) => {
    const { path, backup, artifact } = await scene('orders.db', { method })
    makeDatabase(path, { journalMode, megabytes: journalMode === 'wal' ? 40 : 5 })
    await using writer = await startWriter(path, { every: journalMode === 'wal' ? 2 : 20 })
    expect(writer).toBeDefined()
    const before = Number(ask(path, TRANSFERS)[0])
    await backup.capture()
    const after = Number(ask(path, TRANSFERS)[0])
    await backup.verify()
    expect(ask(artifact, BALANCE)).toEqual([0])
    const captured = Number(ask(artifact, TRANSFERS)[0])
    expect(after, 'it was written all the time').toBeGreaterThan(before)
    expect(captured).toBeGreaterThanOrEqual(before)
    expect(captured).toBeLessThanOrEqual(after)
    expect(ask(artifact, 'PRAGMA journal_mode')).toEqual([journalMode])
  })

  test('takes what is in the -wal alone, and counts rows in the transaction that copies them', async () => {
    const { path, backup, artifact } = await scene()
    makeDatabase(path)
    await leaveWal(path)
    const { details } = await backup.capture()
    expect(ask(artifact, 'SELECT balance FROM account')).toEqual([5, 5])
    expect(details).toMatchObject({ journalMode: 'wal', foreignKeyViolations: 0 })
    expect(details.rows).toContainEqual(['a "quoted"\nname', 2])
    expect(details.rows).toContainEqual(['account', 2])
  })

  test('nothing lies beside the artifact, and nothing changes it', async () => {
    const { path, backup, artifact } = await scene()
    makeDatabase(path)
    await backup.capture()
    const before = sha256(await readFile(artifact))
    await backup.verify()
    await backup.stage('once')
    expect(sha256(await readFile(artifact))).toBe(before)
    expect(await readdir(backup.directory)).toEqual(['RESTORE.md', 'thing.sqlite'])
  })

  test('names and directories may hold any character', async () => {
    const { root, path } = await scene(`o'r "d\\e\tr\ns?a=1#b%20 ü.db`)
    makeDatabase(path)
    const strange = join(root, `b'a "c\\k\tu\np?mode=rw#%41`)
    await mkdir(strange)
    const backup = backupOf(sqlite, { path }, { root: strange })
    await backup.capture()
    await backup.verify()
    await rm(path)
    await putInPlace(await backup.stage('again'))
    expect(ask(path, BALANCE)).toEqual([0])
    expect(await readdir(dirname(path))).toContain(basename(path))
  })

  test('gives up where the -wal outgrows its limit, to be tried again', async () => {
    const { root, path, backup } = await scene('orders.db', { walLimit: '50kB' })
    makeDatabase(path)
    await using writer = await startWriter(path, { checkpoint: 0 })
    expect(writer).toBeDefined()
    await backup.snapshot()
    // A sqlite3 that takes its time, for a database that is large.
    const real = process.env.PATH ?? ''
    await writeFile(join(root, 'sqlite3'), `#!/bin/sh\n[ "$1" = --version ] || sleep 0.7\nPATH='${real}' exec sqlite3 "$@"\n`, {
      mode: 0o700,
    })
    process.env.PATH = `${root}:${real}`
    try {
      await expect(backup.capture()).rejects.toMatchObject({
        message: expect.stringMatching(/-wal grew by \d+ bytes/),
        retryable: true,
      })
    } finally {
      process.env.PATH = real
    }
  })

  test.each<[what: string, make: (path: string) => unknown, message: RegExp, retryable: boolean]>([
    ['a directory', path => mkdir(path), /is a directory/, false],
    ['an empty file', path => writeFile(path, ''), /is empty/, false],
    ['something else', path => writeFile(path, 'name,price\n'.repeat(500)), /not a SQLite database, or it is encrypted/, false],
    ['cut short', path => truncate(makeDatabase(path), 5000), /is corrupt/, false],
    [
      'in the middle of a transaction',
      path => crashWriter(makeDatabase(path, { journalMode: 'delete' })),
      /needs to be recovered/,
      true,
    ],
  ])('says clearly that the database is %s', async (_, make, message, retryable) => {
    const { path, backup } = await scene()
    await make(path)
    await expect(backup.snapshot()).rejects.toMatchObject({
      message: expect.stringMatching(message),
      retryable,
      hint: expect.any(String),
    })
  })

  test('says clearly that the database is locked', async () => {
    const { path, backup } = await scene('orders.db', { busyTimeout: '200ms' })
    makeDatabase(path, { journalMode: 'delete' })
    const holder = new DatabaseSync(path)
    holder.exec('BEGIN EXCLUSIVE')
    await expect(backup.snapshot()).rejects.toMatchObject({ message: expect.stringContaining('locked'), retryable: true })
    holder.close()
  })
})

test.each([
  [{}, /path/],
  [{ path: 'orders.db' }, /absolute/],
  [{ path: '/orders.db', method: 'copy' }, /method/],
  [{ path: '/orders.db', busyTimeout: 5 }, /duration/],
  [{ path: '/orders.db', method: 'vacuum', rowCounts: true }, /rowCounts/],
  [{ path: '/orders.db', paths: [] }, /paths/],
])('refuses %j', (options, message) => {
  expect(JSON.stringify(sqlite.options.safeParse(options).error?.issues)).toMatch(message)
})
