/** The memory of a worker that waits: `holdfast up` as people run it, after its first backup. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { median, type Row } from './measure.ts'
import { diskPlace } from './place.ts'

const holdfast = join(import.meta.dirname, '..', 'cli', 'holdfast.js')
/** Long enough for what is left of the backup to be given back. */
const REST = 10_000

/** Resident memory of the worker against a Node that does nothing, and of the bus it started. */
export async function idleWorker(): Promise<Row[]> {
  await using place = await diskPlace()
  const options = await configure(place.path)
  await startOnce(options)
  const worker = up(options)
  const bare = execa(process.execPath, ['--eval', 'setTimeout(() => {}, 3600_000)'], { reject: false, stdio: 'ignore' })
  try {
    await running(options)
    await execa(process.execPath, [holdfast, 'run', 'notes', '--wait', ...options])
    await sleep(REST)
    const [ours, peer, bus] = [await resident(worker.pid), await resident(bare.pid), await resident(await childOf(worker.pid))]
    const of = 'ours'
    return [
      {
        claim: 'memory of an idle worker; the peer is a bare Node',
        ours,
        peer,
        ratio: ours / peer,
        unit: 'MB',
        limit: { atMost: 120, of },
      },
      { claim: 'memory of its private bus', ours: bus, unit: 'MB' },
    ]
  } finally {
    bare.kill()
    worker.kill()
    await Promise.all([bare, worker])
  }
}

function up(options: string[]) {
  return execa(process.execPath, [holdfast, 'up', '--log', 'error', ...options], { reject: false, stdio: 'ignore' })
}

/** The first start after a change of the sources compiles them, and keeps the compiler in memory; what is built needs none. */
async function startOnce(options: string[]): Promise<void> {
  const worker = up(options)
  try {
    await running(options)
  } finally {
    worker.kill()
    await worker
  }
}

async function configure(directory: string): Promise<string[]> {
  const file = join(directory, 'holdfast.yaml')
  await mkdir(join(directory, 'notes'))
  await writeFile(join(directory, 'notes', 'first.txt'), 'a note\n')
  const lines = [
    `hosts: { local: { root: ${directory}/backups } }`,
    'plans: { nightly: { schedule: "0 2 * * *", keep: { last: 3 }, vaults: [shelf] } }',
    `sources: { notes: { kind: files, plan: nightly, paths: [${directory}/notes] } }`,
    `vaults: { shelf: { kind: rsync, path: ${directory}/vault } }`,
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  return ['--config', file, '--state', join(directory, 'state')]
}

async function running(options: string[]): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { failed } = await execa(process.execPath, [holdfast, 'status', '--running', '--json', ...options], { reject: false })
    if (!failed) return
    await sleep(100)
  }
  throw new Error('the worker did not start')
}

/** Megabytes, the middle of five looks. */
async function resident(pid: number | undefined): Promise<number> {
  const looks: number[] = []
  for (let look = 0; look < 5; look++) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    looks.push((Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024) / 1e6)
    await sleep(200)
  }
  return median(looks)
}

async function childOf(pid: number | undefined): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return Number(children.trim().split(' ')[0])
}
