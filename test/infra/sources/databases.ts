/** SQLite databases for tests, and programs that use them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'

export interface Shape {
  journalMode?: 'wal' | 'delete'
  /** Of rows that only take room. */
  megabytes?: number
}

/** Accounts whose balances sum up to nothing in every state that was ever committed. Returns the path. */
export function makeDatabase(path: string, { journalMode = 'wal', megabytes = 0 }: Shape = {}): string {
  const database = new DatabaseSync(path)
  database.exec(`
    PRAGMA journal_mode = ${journalMode};
    PRAGMA synchronous = OFF;
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE "a ""quoted""
name" (entry TEXT);
    CREATE TABLE transfer (id INTEGER PRIMARY KEY, of INTEGER REFERENCES account (id));
    CREATE TABLE room (filling BLOB);
    INSERT INTO account VALUES (1, 0), (2, 0);
    INSERT INTO "a ""quoted""
name" VALUES ('one'), ('two');
    WITH RECURSIVE n (i) AS (SELECT 1 WHERE ${megabytes} > 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${megabytes * 256})
      INSERT INTO room SELECT randomblob(3900) FROM n;
    PRAGMA wal_checkpoint(TRUNCATE);
  `)
  database.close()
  return path
}

/** Opened, changed and closed. */
export function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

/** Opened, asked and closed. */
export function ask(path: string, sql: string): unknown[] {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 })
  try {
    return database
      .prepare(sql)
      .all()
      .flatMap(row => Object.values(row))
  } finally {
    database.close()
  }
}

const writing = `
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(process.argv[1])
  database.exec('PRAGMA busy_timeout = 10000; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = ' + process.argv[2])
  const transfer = () => database.exec(\`BEGIN IMMEDIATE;
    UPDATE account SET balance = balance - 1 WHERE id = 1;
    UPDATE account SET balance = balance + 1 WHERE id = 2;
    INSERT INTO transfer (of) VALUES (2);
    COMMIT\`)
  transfer()
  process.stdout.write('writing')
  setInterval(transfer, Number(process.argv[3]))
`

/** A program that commits `every` so many milliseconds until it is ended. */
export async function startWriter(path: string, { checkpoint = 1000, every = 2 } = {}): Promise<AsyncDisposable> {
  return await program(writing, path, String(checkpoint), String(every))
}

const crashing = `
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(process.argv[1])
  database.exec('PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE')
  for (let i = 0; i < 500; i++) database.exec('INSERT INTO room VALUES (randomblob(3000))')
  process.kill(process.pid, 'SIGKILL')
`

/** A program that dies in the middle of a transaction. */
export async function crashWriter(path: string): Promise<void> {
  const child = start(crashing, path)
  await once(child, 'exit')
}

const leaving = `
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(process.argv[1])
  database.exec('UPDATE account SET balance = balance + 5; PRAGMA user_version = 7')
  process.kill(process.pid, 'SIGKILL')
`

/** A program that dies with what it committed still in the -wal. */
export async function leaveWal(path: string): Promise<void> {
  await once(start(leaving, path), 'exit')
}

async function program(script: string, ...args: string[]): Promise<AsyncDisposable> {
  const child = start(script, ...args)
  await Promise.race([
    once(child.stdout ?? child, 'data'),
    once(child, 'exit').then(() => {
      throw new Error('the program ended before it began')
    }),
  ])
  return {
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

function start(script: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, ['-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}
