/** Started by `holdfast start`: writes a note every few milliseconds until its stdin closes. Where the database is taken away it waits for it to come back. */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const [, , path = ''] = process.argv
const PAUSE = 20
/** So that the database stays small. */
const KEPT = 20_000

let open: { database: DatabaseSync; file: number } | undefined

process.stdin.on('end', () => process.exit(0)).resume()
setInterval(write, PAUSE)

function write(): void {
  const file = statSync(path, { throwIfNoEntry: false })?.ino
  if (open && open.file !== file) close()
  if (file === undefined) return
  try {
    open ??= { database: openDatabase(), file }
    open.database.prepare('INSERT INTO notes (written, text) VALUES (?, ?)').run(new Date().toISOString(), 'All is well.')
    open.database.prepare('DELETE FROM notes WHERE id <= (SELECT max(id) FROM notes) - ?').run(KEPT)
  } catch (error) {
    // It is being put back, or somebody damages it on purpose: that is what the tour is for.
    if (!(error instanceof Error && 'errcode' in error)) throw error
    close()
  }
}

function openDatabase(): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA busy_timeout = 1000; PRAGMA synchronous = NORMAL')
  return database
}

function close(): void {
  open?.database.close()
  open = undefined
}
