/** A restore in a process of its own, to be killed; and the restore itself, for who goes on with it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { Manifest } from '../../../../infra/manifest.ts'
import { type Restored, restoreBackup } from '../../../../infra/restore.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { vm } from '../../../../infra/sources/vm.ts'
import { doomedHost, type Point } from './verbs.ts'

export interface Orders {
  directory: string
  state: string
  token: string
  uri: string
  to?: string
  instant: boolean
  /** A pull that it begins does not come to its end by itself. */
  slow?: boolean
}

export async function runRestore(
  { directory, state, token, uri, to, instant, slow = false }: Orders,
  host: Host = localHost(),
): Promise<Restored> {
  const manifest = Manifest.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')))
  return restoreBackup({
    ...{ backup: { manifest, directory }, host: slow ? slowed(host) : host, driver: vm, options: Options.parse({ uri }) },
    ...{ service: undefined, health: undefined, to, instant, keepAside: false, token, state },
    ...{ signal: new AbortController().signal, progress: () => undefined, warn: () => undefined },
  })
}

/** Runs it in a process of its own that is killed from outside, or kills itself at the point. */
export function beginRestore(orders: Orders, point?: Point) {
  return execa(process.execPath, [import.meta.filename, JSON.stringify({ orders, point })], { reject: false, timeout: 90_000 })
}

/** MB a second. */
function slowed(host: Host): Host {
  return {
    ...host,
    run: (argv, options) => host.run(argv.includes('blockpull') ? [...argv, '--bandwidth=1'] : argv, options),
  }
}

if (process.argv[1] === import.meta.filename) {
  const { orders, point } = JSON.parse(process.argv[2] ?? '{}')
  await runRestore(orders, point && doomedHost(point))
}
