/** Something small to restore, so that a restore can be interrupted everywhere: a file `data` and its journal `data-wal`. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import type { Restore } from '../../../infra/restore.ts'
import { defineSource } from '../../../infra/sources/source.ts'
import { makeBackup } from '../../services/backup.ts'

/** Stages one copied file, and has the old journal moved aside. */
const plain = defineSource<{ target: string }>({
  kind: 'plain',
  summary: 'A file with a journal.',
  options: z.strictObject({ target: z.string() }),
  snapshot: never,
  export: never,
  verify: async () => [{ name: 'plain', result: 'ok' }],
  async stage({ host, directory, options, to, token }) {
    const target = to ?? options.target
    const staged = `${target}.staged-${token}`
    await host.run(['cp', '--', join(directory, 'data.bin'), staged])
    const aside = { target: `${target}-wal`, staged: undefined }
    return { replacements: [{ target, staged }, aside], leftOut: false, scratch: [], checks: [] }
  },
})

async function never(): Promise<never> {
  throw new Error('restores do not capture')
}

export interface Setting {
  data: string
  /** What a run is given, of which a test may change something. */
  restore(change?: Partial<Restore>): Restore
  warnings: string[]
  /** Every file in the directory of the data, with its content. */
  files(): Promise<Record<string, string>>
  /** What the data and its journal were at each start of the service. */
  starts(): Promise<string[]>
}

/** The service writes down what it found when it was started. `quiet`: the data has no journal; `missing`: there is none at all. */
export async function setting(
  root: string,
  { missing = false, quiet = false, host = localHost() }: { missing?: boolean; quiet?: boolean; host?: Host } = {},
): Promise<Setting> {
  const [directory, log] = [join(root, 'data'), join(root, 'starts')]
  const data = join(directory, 'data')
  await mkdir(directory, { recursive: true })
  if (!missing) {
    await writeFile(data, 'old')
    if (!quiet) await writeFile(`${data}-wal`, 'old journal')
  }
  await writeFile(log, '')
  const warnings: string[] = []
  const { manifest, directory: backup } = await makeBackup(join(root, 'backups'), { files: { 'data.bin': 'new' } })
  const note = 'cat "$0" "$0-wal" >> "$1" 2> /dev/null; echo >> "$1"'
  return {
    ...{ data, warnings },
    restore: change => ({
      ...{ backup: { manifest, directory: backup }, host, driver: plain, options: { target: data } },
      service: { stop: ['true'], start: ['sh', '-c', note, data, log] },
      ...{ health: undefined, to: undefined, keepAside: false, token: 'request1', state: join(root, 'state') },
      ...{ signal: new AbortController().signal, progress: () => undefined, warn: message => void warnings.push(message) },
      ...change,
    }),
    async files() {
      const names = await readdir(directory)
      return Object.fromEntries(await Promise.all(names.map(async name => [name, await readFile(join(directory, name), 'utf8')])))
    },
    starts: async () => (await readFile(log, 'utf8')).split('\n').slice(0, -1),
  }
}

/** A host that is dead from its nth change on: nothing reaches the disk any more, as after a kill. */
export function mortal(host: Host, changes: number): { host: Host; signal: AbortSignal } {
  const death = new AbortController()
  let left = changes
  const counted =
    <Arguments extends unknown[], Result>(deed: (...args: Arguments) => Promise<Result>, alters: boolean) =>
    async (...args: Arguments): Promise<Result> => {
      if (alters && left-- <= 0) death.abort(new Error('killed'))
      death.signal.throwIfAborted()
      return await deed(...args)
    }
  const alters = {
    run: counted(host.run, true),
    write: counted(host.write, true),
    rename: counted(host.rename, true),
    remove: counted(host.remove, true),
  }
  const looks = {
    list: counted(host.list, false),
    stat: counted(host.stat, false),
    readIfThere: counted(host.readIfThere, false),
  }
  return { host: { ...host, ...alters, ...looks }, signal: death.signal }
}
