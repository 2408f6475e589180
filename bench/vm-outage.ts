/** How long nobody is at home: while a guest is captured offline, and until it runs again from its backup. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Guest } from '../test/services/guest.ts'
import { type Row, sideBySide } from './measure.ts'
import { backUp, type Lab, openVmHouse } from './vm-lab.ts'

/** Disks in GB: the answer must not depend on it. */
const SIZES = [1, 2, 4]
const ROUNDS = 3
/** Allowed beyond what the guest itself takes, seconds. */
const ALLOWED = 2

export async function outages(lab: Lab): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of SIZES) rows.push(await offline(lab, size))
  return rows
}

async function offline(lab: Lab, size: number): Promise<Row> {
  const guest = await lab.guest(`offline${size}`, size)
  await guest.boot()
  const house = await openVmHouse(lab, { [guest.name]: { mode: 'offline' } })
  const ours = () => outage(guest, async () => await backUp(house, guest.name))
  const peer = () =>
    outage(guest, async () => {
      await guest.shutdown()
      await guest.start()
    })
  const figures = await sideBySide({ rounds: ROUNDS, ours, peer })
  await house.stop()
  await guest.destroy()
  const claim = `offline: downtime with a disk of ${size} GB; the peer is shutdown and boot, plus 2 s`
  return { claim, ...figures, unit: 's', limit: { atMost: limitOf(figures.peer), of: 'ours' } }
}

export function limitOf(peer: number): number {
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

async function answers(guest: Guest): Promise<boolean> {
  return await guest.agent('guest-ping').then(
    () => true,
    () => false,
  )
}
