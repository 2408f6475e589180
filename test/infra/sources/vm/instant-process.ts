/** An instant restore in a process of its own, to be killed; without arguments only the restore itself, for who goes on with it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { localHost } from '../../../../infra/hosts/local.ts'
import { Manifest } from '../../../../infra/manifest.ts'
import { type Restored, restoreBackup } from '../../../../infra/restore.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { vm } from '../../../../infra/sources/vm.ts'

export interface Orders {
  directory: string
  state: string
  token: string
  uri: string
  to: string | undefined
}

export async function runInstantly({ directory, state, token, uri, to }: Orders): Promise<Restored> {
  const manifest = Manifest.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')))
  return restoreBackup({
    ...{ backup: { manifest, directory }, host: localHost(), driver: vm, options: Options.parse({ uri }) },
    ...{ service: undefined, health: undefined, to, instant: true, keepAside: false, token, state },
    ...{ signal: new AbortController().signal, progress: () => undefined, warn: () => undefined },
  })
}

if (process.argv[1] === import.meta.filename) {
  const [directory = '', state = '', token = '', uri = '', to] = process.argv.slice(2)
  await runInstantly({ directory, state, token, uri, to })
}
