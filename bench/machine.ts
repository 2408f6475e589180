/** On what and with what it was measured: figures without these say nothing. */
import { cpus, totalmem } from 'node:os'
import { execa } from 'execa'
import prettyBytes from 'pretty-bytes'

const programs: Record<string, string> = {
  'nats-server': '--version',
  tar: '--version',
  zstd: '--version',
  sqlite3: '--version',
  rsync: '--version',
  virsh: '--version',
  'qemu-img': '--version',
  virtnbdbackup: '--version',
}

/** `2 × Some CPU, 8.3 GB of memory` */
export function machine(): string {
  const cores = cpus()
  return `${cores.length} × ${cores[0]?.model.trim() || 'a CPU without a name'}, ${prettyBytes(totalmem())} of memory`
}

/** `node 24.21.0, tar 1.34, …` */
export async function versions(): Promise<string> {
  const found = await Promise.all(Object.entries(programs).map(([program, flag]) => versionOf(program, flag)))
  return [`node ${process.versions.node}`, ...found].join(', ')
}

async function versionOf(program: string, flag: string): Promise<string> {
  const { all, failed } = await execa(program, [flag], { all: true, reject: false, timeout: 10_000 })
  const version = /\d+(\.\d+)+/.exec(all ?? '')?.[0]
  return failed || version === undefined ? `no ${program}` : `${program} ${version}`
}
