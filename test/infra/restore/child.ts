/** Restores a database in a process of its own, which kills itself with -9 at a point it is told. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { Manifest } from '../../../infra/manifest.ts'
import { restoreBackup } from '../../../infra/restore.ts'
import { sqlite } from '../../../infra/sources/sqlite.ts'

const Command = z.tuple([z.string()], z.string())

/** What the process is told, as JSON in the file that is its one argument. */
export const Orders = z.object({
  manifest: Manifest,
  directory: z.string(),
  database: z.string(),
  service: z.object({ stop: Command, start: Command }),
  http: z.string(),
  state: z.string(),
  /** `stop`, `start`, `rename 3`, `remove 2`: it dies before that. */
  point: z.string(),
})
export type Orders = z.infer<typeof Orders>

if (process.argv[1] === import.meta.filename) await main(process.argv[2] ?? '')

async function main(file: string): Promise<void> {
  const { manifest, directory, database, service, http, state, point } = Orders.parse(JSON.parse(await readFile(file, 'utf8')))
  await restoreBackup({
    ...{ backup: { manifest, directory }, host: doomed(localHost(), point), driver: sqlite },
    ...{ options: sqlite.options.parse({ path: database }), service, health: { http, command: undefined, within: 5000 } },
    ...{ to: undefined, keepAside: false, token: 'killed', state, signal: new AbortController().signal },
    ...{ progress: () => undefined, warn: () => undefined },
  })
}

function doomed(host: Host, point: string): Host {
  const counts = new Map<string, number>()
  const reach = (deed: string) => {
    const count = (counts.get(deed) ?? 0) + 1
    counts.set(deed, count)
    if (point === deed || point === `${deed} ${count}`) process.kill(process.pid, 'SIGKILL')
  }
  return {
    ...host,
    run: (argv, options) => {
      reach(argv[2] === 'stop' || argv[2] === 'start' ? argv[2] : 'run')
      return host.run(argv, options)
    },
    rename: (from, to) => {
      reach('rename')
      return host.rename(from, to)
    },
    remove: path => {
      reach('remove')
      return host.remove(path)
    },
  }
}
