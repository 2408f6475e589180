/** Virtual machines: what Holdfast adds to the bare job, and how it compares with what people run today. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import type { Guest } from '../test/services/guest.ts'
import { median, type Row, sideBySide } from './measure.ts'
import { scaled } from './scale.ts'
import { backUp, change, type Lab, openLab, openVmHouse, secondsOf } from './vm-lab.ts'
import { outages } from './vm-outage.ts'
import { bareJob, listenForJob, plainCopy, plainHash, virtnbdbackup } from './vm-peers.ts'

export const name = 'vm: a disk of 2 GB, 85 % full, 1 % changed for each increment, on libvirt and emulated processors'

const ROUNDS = scaled(5)

export async function run(): Promise<Row[]> {
  await using lab = await openLab()
  return [...(await live(lab)), ...(await memory(lab)), ...(await outages(lab))]
}

async function live(lab: Lab): Promise<Row[]> {
  const [ours, bare, nbd] = await Promise.all(['ours', 'bare', 'nbd'].map(name => lab.guest(name, 2)))
  if (!ours || !bare || !nbd) throw new Error('three guests were asked for')
  for (const guest of [ours, bare, nbd]) await guest.boot()
  const house = await openVmHouse(lab, { ours: {}, whole: { domain: 'ours', method: 'copy' } })
  const directories: string[] = []
  const increment = async () => {
    await change(ours)
    const run = await backUp(house, 'ours')
    directories.push(run.directory)
    return secondsOf(run)
  }
  await backUp(house, 'ours')
  const speed = await increments(lab, increment, bare, nbd, ours)
  const facts = await Promise.all(directories.map(readFacts))
  const whole = await full(lab, ours, async () => await backUp(house, 'whole'))
  await house.stop()
  for (const guest of [ours, bare, nbd]) await guest.destroy()
  return [...speed, bytes(facts), frozen(facts), ...whole]
}

async function increments(lab: Lab, ours: () => Promise<number>, bare: Guest, nbd: Guest, copied: Guest): Promise<Row[]> {
  let last = 0
  const job = async (since?: string) => (await bareJob(lab, bare, { checkpoint: `number${++last}`, since })).took
  await job()
  await virtnbdbackup(lab, nbd, 'full')
  const changed = async (guest: Guest, work: () => Promise<number>) => {
    await change(guest)
    return await work()
  }
  const against = (peer: () => Promise<number>) => sideBySide({ rounds: ROUNDS, ours, peer })
  const alone = await against(() => changed(bare, () => job(`number${last}`)))
  const tool = await against(() => changed(nbd, () => virtnbdbackup(lab, nbd, 'inc')))
  const copy = await against(() => plainCopy(lab, copied))
  const limit = { atMost: Math.round(100 * (alone.peer + 0.5)) / 100, of: 'ours' as const }
  return [
    { claim: 'increment, request to verify.done; the peer is a bare backup-begin, plus 0.5 s', ...alone, unit: 's', limit },
    { claim: 'the same; the peer is virtnbdbackup -l inc', ...tool, unit: 's', limit: { atMost: 0.5 } },
    { claim: 'the same; the peer is cp --reflink=never and sync of the image', ...copy, unit: 's', limit: { atMost: 0.125 } },
  ]
}

/** Counted by themselves: until QEMU has written the image, and what is done with it afterwards. */
async function full(lab: Lab, guest: Guest, backUpWhole: () => ReturnType<typeof backUp>): Promise<Row[]> {
  const after: { ours: number[]; peer: number[] } = { ours: [], peer: [] }
  const ours = async () => {
    const { ended } = await listenForJob(lab, guest)
    const [run, end] = await Promise.all([backUpWhole(), ended])
    after.ours.push((run.verified - end) / 1000)
    await rm(run.directory, { recursive: true })
    return (end - run.asked) / 1000
  }
  const peer = async () => {
    const { image, took } = await bareJob(lab, guest, {})
    after.peer.push(await plainHash(image))
    await rm(image)
    return took
  }
  const job = await sideBySide({ rounds: scaled(3), ours, peer })
  const [hashed, plain] = [median(after.ours), median(after.peer)]
  const checked = { ours: hashed, peer: plain, ratio: hashed / plain, unit: 's', limit: { atMost: 1.3 } }
  return [
    {
      claim: "full backup, request to the job's end; the peer is a bare backup-begin",
      ...job,
      unit: 's',
      limit: { atMost: 1.1 },
    },
    { claim: 'then hashing and qemu-img check, to verify.done; the peer is one sha256sum', ...checked },
  ]
}

const Facts = z.looseObject({ bytes: z.number(), details: z.looseObject({ dirty: z.number(), frozen: z.number() }) })
type Facts = z.infer<typeof Facts>

async function readFacts(directory: string): Promise<Facts> {
  return Facts.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')))
}

function bytes(facts: readonly Facts[]): Row {
  const [ours, peer] = [median(facts.map(({ bytes }) => bytes)) / 1e6, median(facts.map(({ details }) => details.dirty)) / 1e6]
  const limit = { atMost: Math.round(10 * (1.1 * peer + 1)) / 10, of: 'ours' as const }
  const claim = 'bytes of an increment; the peer is what changed, by QEMU, in whole clusters'
  return { claim, ours, peer, ratio: ours / peer, unit: 'MB', limit }
}

function frozen(facts: readonly Facts[]): Row {
  const longest = Math.max(...facts.map(({ details }) => details.frozen))
  return {
    claim: `file systems frozen, the longest of ${facts.length}`,
    ours: longest,
    unit: 'ms',
    limit: { atMost: 1000, of: 'ours' },
  }
}

/** By how much a worker grows while it captures: the disk's bytes do not pass through it. */
async function memory(lab: Lab): Promise<Row[]> {
  const grown = async (gigabytes: number) => {
    const guest = await lab.guest(`memory${gigabytes}`, gigabytes)
    await guest.boot()
    const root = join(lab.place.path, 'memory')
    const options = { domain: guest.name, uri: lab.libvirt.uri, method: 'copy' }
    const program = join(import.meta.dirname, 'capture-process.ts')
    const { stdout } = await execa(process.execPath, [program, JSON.stringify({ kind: 'vm', options, root })])
    await guest.destroy()
    await rm(root, { recursive: true })
    return Number(stdout) / 1e6
  }
  const [ours, peer] = [await grown(4), await grown(1)]
  const claim = 'memory that Node takes for a disk of 4 GB; the peer is the same for 1 GB'
  return [{ claim, ours, peer, ratio: ours / peer, unit: 'MB', limit: { atMost: 1.25 } }]
}
