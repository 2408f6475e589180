/** A drill in a process of its own, to be killed. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { localHost } from '../../../../infra/hosts/local.ts'
import { Manifest } from '../../../../infra/manifest.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { vm } from '../../../../infra/sources/vm.ts'

const [directory = '', scratch = '', token = '', uri = ''] = process.argv.slice(2)
const manifest = Manifest.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')))
const host = localHost()
await host.makeDirectory(scratch)
await vm.drill?.({
  ...{ host, source: manifest.source, id: manifest.id, options: Options.parse({ uri, drillCommand: ['sleep', '600'] }) },
  ...{ directory, manifest, token, scratch, signal: new AbortController().signal },
  ...{ progress: () => undefined, warn: () => undefined },
})
