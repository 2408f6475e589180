/** What the shipped configuration protects, so that a newcomer has something to back up, to lose and to restore. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Configuration } from '../infra/config.ts'
import { note } from './print.ts'

/** Makes ./tour on the first run, where the configuration protects what is in it. What was lost since stays lost: it is there to be restored. */
export async function prepareTour(configuration: Configuration): Promise<void> {
  const { tour, documents, notes } = placesOf(configuration)
  if (existsSync(tour) || !(protects(configuration, documents) || protects(configuration, notes))) return
  await mkdir(tour, { recursive: true })
  await writeDocuments(documents)
  writeNotes(notes)
  note(`Made ${tour}: documents to protect, and a database that changes all the time.`)
}

/** A program that keeps writing to the database, as a real one would. It ends with us, however we end. */
export function startTourWriter(configuration: Configuration): { stop(): void } | undefined {
  const { notes } = placesOf(configuration)
  if (!protects(configuration, notes)) return undefined
  const program = join(import.meta.dirname, `tour-writer${extname(import.meta.filename)}`)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, notes], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.unref()
  return { stop: () => child.stdin?.end() }
}

function placesOf({ file }: Configuration) {
  const tour = join(dirname(file), 'tour')
  return { tour, documents: join(tour, 'documents'), notes: join(tour, 'notes.sqlite') }
}

function protects({ sources }: Configuration, path: string): boolean {
  return Object.values(sources).some(({ options }) => JSON.stringify(options).includes(JSON.stringify(path)))
}

const documents: Record<string, string> = {
  'README.md': '# Documents\n\nHoldfast keeps these safe. Delete some, then: npx holdfast restore\n',
  'letters/to-the-harbour.txt': 'The ship arrives on the evening tide. Keep a berth free.\n',
  'letters/from-the-harbour.txt': 'Berth seven is yours.\n',
  'plans/garden.md': '- beans\n- peas\n- a bench in the shade\n',
}

async function writeDocuments(root: string): Promise<void> {
  const numbered = Array.from(
    { length: 200 },
    (_, index) =>
      [
        `journal/${String(index + 1).padStart(3, '0')}.md`,
        `# Day ${index + 1}\n\n${'Wind from the west, sea calm.\n'.repeat(40)}`,
      ] as const,
  )
  for (const [name, text] of [...Object.entries(documents), ...numbered]) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
}

function writeNotes(path: string): void {
  const database = new DatabaseSync(path)
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE notes (id INTEGER PRIMARY KEY, written TEXT NOT NULL, text TEXT NOT NULL)',
  )
  const insert = database.prepare('INSERT INTO notes (written, text) VALUES (?, ?)')
  database.exec('BEGIN')
  for (let count = 1; count <= 5000; count++)
    insert.run(new Date().toISOString(), `Note ${count}: ${'the sea is calm. '.repeat(10)}`)
  database.exec('COMMIT')
  database.close()
}
