/** How long nobody is at home: while a guest is captured offline, and until it runs again from its backup. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { type Domain, type Guest, guestNamed } from '../test/services/guest.ts'
import { type Row, sideBySide } from './measure.ts'
import { scaled } from './scale.ts'
import { backUp, type Lab, openVmHouse, rootOf } from './vm-lab.ts'

/** Disks in GB: the answer must not depend on it. */
const SIZES = [1, 2, 4]
const ROUNDS = scaled(3)
/** Allowed beyond what the guest itself takes, seconds. */
const ALLOWED = 2
/** For a guest to answer, ms. */
const LONGEST = 300_000
const launcher = join(import.meta.dirname, '..', 'cli', 'holdfast.js')

export async function outages(lab: Lab): Promise<Row[]> {
  const rows: Row[][] = []
  for (const size of SIZES) rows.push(await outagesOf(lab, size))
  return [...rows.flatMap(([offline]) => offline ?? []), ...rows.flatMap(([, instant]) => instant ?? [])]
}

async function outagesOf(lab: Lab, size: number): Promise<Row[]> {
  const guest = await lab.guest(`guest${size}`, size)
  await guest.boot()
  const down = await offline(lab, guest)
  await guest.shutdown()
  const back = await instant(lab, guest)
  return [
    { claim: `offline: downtime with a disk of ${size} GB; the peer is shutdown and boot, plus 2 s`, ...down },
    { claim: `restore --instant of ${size} GB, until the agent answers; the peer is boot, plus 2 s`, ...back },
  ]
}

type Figures = Omit<Row, 'claim'>

async function offline(lab: Lab, guest: Guest): Promise<Figures> {
  const house = await openVmHouse(lab, { [guest.name]: { mode: 'offline' } })
  const ours = () => outage(guest, async () => await backUp(house, guest.name))
  const peer = () =>
    outage(guest, async () => {
      await guest.shutdown()
      await guest.start()
    })
  const figures = await sideBySide({ rounds: ROUNDS, ours, peer })
  await house.stop()
  return { ...figures, unit: 's', limit: { atMost: limitOf(figures.peer), of: 'ours' } }
}

/** By the command line, beside the original, which is off: from the command to the agent's first answer. */
async function instant(lab: Lab, guest: Guest): Promise<Figures> {
  const { libvirt, place } = lab
  const file = join(place.path, `${guest.name}.yaml`)
  const source = { kind: 'vm', plan: 'often', uri: libvirt.uri }
  const hosts = { local: { label: 'here', root: rootOf(lab) } }
  await writeFile(file, JSON.stringify({ hosts, plans: { often: { keep: { last: 1000 } } }, sources: { [guest.name]: source } }))
  let number = 0
  const ours = async () => {
    const copy = guestNamed(libvirt, `${guest.name}-copy${++number}`)
    const given = ['--config', file, '--state', join(place.path, 'state'), '--to', copy.name]
    const began = performance.now()
    const restoring = execa(process.execPath, [launcher, 'restore', guest.name, '--instant', '--yes', ...given])
    const took = await Promise.race([answer(copy, began), restoring.then(() => answer(copy, began))])
    await restoring
    await copy.destroy()
    await libvirt.virsh('undefine', copy.name)
    return took
  }
  const peer = async () => {
    const began = performance.now()
    await guest.start()
    const took = await answer(guest, began)
    await guest.shutdown()
    return took
  }
  const figures = await sideBySide({ rounds: ROUNDS, ours, peer })
  return { ...figures, unit: 's', limit: { atMost: limitOf(figures.peer), of: 'ours' } }
}

/** Seconds until it answers for the first time. */
async function answer(guest: Domain, since: number): Promise<number> {
  while (!(await answers(guest))) {
    if (performance.now() - since > LONGEST) throw new Error(`${guest.name} does not answer`)
    await sleep(20)
  }
  return (performance.now() - since) / 1000
}

function limitOf(peer: number): number {
  return Math.round(100 * (peer + ALLOWED)) / 100
}

/** Seconds in which the guest's agent did not answer, from its last answer before to its first one after. */
async function outage(guest: Guest, work: () => Promise<unknown>): Promise<number> {
  let over = false
  const working = work().finally(() => {
    over = true
  })
  let [last, longest] = [performance.now(), 0]
  for (let asked = false; !over || !asked; await sleep(20)) {
    asked = over
    if (!(await answers(guest))) {
      asked = false
      continue
    }
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  await working
  return longest / 1000
}

async function answers(guest: Domain): Promise<boolean> {
  return await guest.agent('guest-ping').then(
    () => true,
    () => false,
  )
}
