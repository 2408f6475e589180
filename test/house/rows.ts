/** A database of rows of which each proves the one before it, and the program that writes them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished } from 'vitest'
import { z } from 'zod'

/** Numbered rows, each with the checksum of itself and of the row before: a row that is lost, torn or out of order shows. */
const writing = `
  const { createHash, randomBytes } = require('node:crypto')
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(process.argv[1])
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS row (number INTEGER PRIMARY KEY, body TEXT, sum TEXT)')
  const insert = database.prepare('INSERT INTO row VALUES (?, ?, ?)')
  let number = 0, sum = ''
  const write = () => {
    const body = randomBytes(600).toString('hex')
    sum = createHash('sha256').update(sum + ++number + body).digest('hex')
    insert.run(number, body, sum)
  }
  database.exec('BEGIN')
  while (number < 8000) write()
  database.exec('COMMIT')
  process.stdout.write('writing')
  setInterval(write, 1)
`

/** A program that writes a row every millisecond; 8000 are there when it begins. Ended with the test. */
export async function startWriter(path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', writing, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

export async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

const Row = z.object({ number: z.number(), body: z.string(), sum: z.string() })

/** How many rows there are, after every one of them was found in its place and whole. */
export function wholeRows(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    let [count, sum] = [0, '']
    for (const row of z.array(Row).parse(database.prepare('SELECT * FROM row ORDER BY number').all())) {
      sum = createHash('sha256').update(`${sum}${++count}${row.body}`).digest('hex')
      if (row.number !== count || row.sum !== sum) throw new Error(`row ${count} is not the one that was written`)
    }
    return count
  } finally {
    database.close()
  }
}

/** The number of the last row that is there. */
export function committed(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  try {
    return z.object({ count: z.number() }).parse(database.prepare('SELECT max(number) AS count FROM row').get()).count
  } finally {
    database.close()
  }
}
