import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import { type Directory, makeDirectory } from '../services/directory.ts'
import { type NatsServer, startNats } from '../services/nats.ts'
import { requires } from '../services/requires.ts'
import { killedAt } from './killing.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 8 })

/** Where each step dies; see point.ts. What is not said of the database happens to the tree. */
const points: Record<string, readonly string[]> = {
  plan: ['start', 'before put due.', 'after put due.', 'end', 'published plan.due'],
  snapshot: ['start', 'after create run', 'half pipe tar', 'half run page_count (notes)', 'end', 'published snapshot.done'],
  export: [
    'start',
    'after makeDirectory .partial-',
    'half pipe tee',
    'half run .backup (notes)',
    'half write RESTORE.md',
    'half write manifest.json',
    'before rename .partial-',
    'after rename .partial- (notes)',
    'end',
    'published export.done',
  ],
  release: ['start', 'before forget run', 'after forget run (notes)', 'end', 'published release.done'],
  verify: [
    'start',
    'half pipe zstd',
    'half run integrity_check (notes)',
    'half write verified.json',
    'after write verified.json',
    'end',
    'published verify.done',
  ],
  replicate: [
    'start',
    'half run rsync',
    'half write RESTORE.md',
    'half write manifest.json',
    'before rename .partial- (notes)',
    'after rename .partial-',
    'half write copies.json',
    'end',
    'published replicate.copied',
    'published replicate.done',
  ],
  prune: [
    'start',
    'after rename backups/2020',
    'half remove backups/2020 (notes)',
    'after rename vault/here/2020',
    'half remove vault/here/2020',
    'after remove vault/here/2020 (notes)',
    'end',
    'published prune.done',
  ],
  report: ['start', 'half write backups/', 'after write backups/ (notes)', 'half write vault/', 'end', 'published report.done'],
  restore: [
    'start',
    'after create run',
    'half pipe --extract',
    'half run cp (notes)',
    'half write restore-request',
    'after rename docs.before-',
    'after rename .holdfast-request-1-notes.sqlite (notes)',
    'half remove docs.before-',
    'before forget run',
    'end',
    'published restore.done',
  ],
}
const cases = Object.entries(points).flatMap(([step, all]) =>
  all.map(point => {
    const at = point.replace(/ \(notes\)$/, '')
    return { step, at, source: at === point ? 'docs' : 'notes' }
  }),
)

let server: NatsServer
let home: Directory
beforeAll(async () => {
  server = await startNats()
  home = await makeDirectory()
})
afterAll(async () => {
  await server.stop()
  await home.remove()
})

requires(
  'nats-server',
  'rsync',
  'sqlite3',
  'setpriv',
)('a worker is killed with -9, and another one goes on', () => {
  describe.concurrent('as if nothing had happened', () => {
    test.each(cases)('$step: $at ($source)', one => killedAt(server, home.path, one))
  })
})
