/** The verbs of the kind, without a bus: one by one, and in a process of its own that is killed at a point. */
import { join } from 'node:path'
import { execa } from 'execa'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { verifiedBackups } from '../../../../infra/inventory.ts'
import type { Captured, Held } from '../../../../infra/sources/source.ts'
import { vm } from '../../../../infra/sources/vm.ts'
import { until } from '../../../services/until.ts'

export interface Setting {
  /** Its verified backups are what an increment can build on. */
  root: string
  /** Of a source `zeus`. */
  id: string
  options: object
  /** The way of capture that is asked for by name. */
  mode?: string | undefined
  /** Where export writes. */
  directory?: string
}

export interface Verbs {
  /** Where export writes. */
  directory: string
  warnings: string[]
  snapshot(): Promise<Held>
  export(held: Held): Promise<Captured>
  release(held: Held): Promise<void>
  abandon(): Promise<void>
}

export function verbsOf(
  { root, id, options, mode, directory = join(root, '2026-11-21', '.zeus.partial-1') }: Setting,
  host: Host = localHost(),
): Verbs {
  const warnings: string[] = []
  const work = {
    ...{ host, source: 'zeus', id, options: vm.options.parse(options), signal: new AbortController().signal },
    ...{ progress: () => undefined, warn: (message: string) => void warnings.push(message) },
  }
  return {
    ...{ directory, warnings },
    snapshot: () => vm.snapshot({ ...work, root, mode, earlier: () => verifiedBackups(host, root, 'zeus') }),
    async export(held) {
      await host.makeDirectory(directory)
      return await vm.export({ ...work, directory, held })
    },
    release: async ({ held }) => vm.release?.({ ...work, held }),
    abandon: async () => vm.abandon?.({ ...work, root }),
  }
}

/** Where a process kills itself: around a command whose words hold these, or a `rename`, `write` or `remove` and its paths. */
export interface Point {
  /** during: once what the command asks of the guest's agent lies there unread, as QEMU is stopped. */
  when: 'before' | 'during' | 'after'
  command: string
  /** QEMU's process, which is stopped before the command. */
  stops?: number
}

/** Runs a verb in a process of its own, which does not survive the point. */
export async function killIn(
  verb: 'snapshot' | 'export' | 'release',
  point: Point,
  setting: Setting,
  held?: Held,
): Promise<void> {
  const argv = [join(import.meta.dirname, 'verb-process.ts'), JSON.stringify({ verb, point, setting, held })]
  const { signal, stderr } = await execa(process.execPath, argv, { reject: false, timeout: 90_000 })
  if (signal !== 'SIGKILL') throw new Error(`${verb} did not meet its point: ${stderr}`)
}

/** A host that kills the process at the point. */
export function doomedHost({ when, command, stops }: Point): Host {
  const host = localHost()
  const strike = () => process.kill(process.pid, 'SIGKILL')
  const around = async <Result>(words: readonly string[], act: () => Promise<Result>): Promise<Result> => {
    const struck = words.join(' ').includes(command)
    if (struck && stops !== undefined) process.kill(stops, 'SIGSTOP')
    if (struck && when === 'before') strike()
    const acting = act()
    if (struck && when === 'during') {
      await until('it is asked', () => unreadByAgent(stops), { every: 10 })
      strike()
    }
    const result = await acting
    if (struck && when === 'after') strike()
    return result
  }
  return {
    ...host,
    run: (argv, options) => around(argv, () => host.run(argv, options)),
    rename: (from, to) => around(['rename', from, to], () => host.rename(from, to)),
    write: (path, data, options) => around(['write', path], () => host.write(path, data, options)),
    remove: path => around(['remove', path], () => host.remove(path)),
  }
}

async function unreadByAgent(qemu: number | undefined): Promise<boolean> {
  const { stdout } = await execa('ss', ['-xnpH'])
  const [channel = ''] = stdout.split('\n').filter(line => line.includes('guest_agent') && line.includes(`pid=${qemu},`))
  const [, , unread = '0'] = channel.split(/\s+/)
  return Number(unread) > 0
}
