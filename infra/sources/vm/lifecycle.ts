/** Stops a guest for a restore, defines and starts it on what is there then, and puts back what was. Everything may be done again. */
import { describeDomain } from '../../tools/domain-xml.ts'
import { type Guest, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import { own, ownership } from '../../tools/ownership.ts'
import type { Lifecycle, RestoreWork, Started } from '../source.ts'
import { waitForAnswer } from './answer.ts'
import { startsWithHost } from './autostart.ts'
import { type Before, note, noteBefore } from './before.ts'
import { copyOf } from './copy.ts'
import { define, definitionAlone, definitionOf, undefine, withRestored } from './define.ts'
import { type Details, hadAgent } from './details.ts'
import { dropBitmaps, dropCheckpoints, forgetSnapshots } from './drop-checkpoints.ts'
import { existing, guestOf, patienceOf } from './find-domain.ts'
import { detailsOf, goalOf, originalsOf, type Placed, stagedPath } from './goal.ts'
import { placeOf } from './restore.ts'
import { backInside } from './revert.ts'
import { startFresh, switchOff } from './switch-off.ts'
import { workspaceBack } from './workspace-back.ts'

type Work = RestoreWork<unknown>

const idle: Lifecycle = { stop: async () => undefined, start: async () => ({ checks: [], proven: false }) }

export function lifecycle(work: Work): Lifecycle {
  const details = detailsOf(work)
  const goal = goalOf(work)
  switch (goal.what) {
    case 'whole':
      return inPlace(work, details, { placed: async () => originalsOf(details.images), whole: true })
    case 'disk':
      if (goal.path !== undefined) return idle
      return inPlace(work, details, { placed: async () => [await placeOf(work, details, goal.image, undefined)], whole: false })
    case 'copy':
      return copyOf(work, details, goal.name)
    case 'xml':
      return goal.path === undefined ? definition(work, details) : idle
    case 'workspace':
      return goal.path === undefined ? workspaceBack(work, details) : idle
    case 'inside':
      return backInside(work, details, goal.snapshot)
  }
}

export interface Exchanged {
  placed(): Promise<Placed[]>
  /** The definition is restored too. */
  whole: boolean
  /** What is done to the definition. */
  change?(xml: string): Promise<string>
  /** It is started even where it was off. */
  always?: boolean
}

/** Stops the domain, and starts it on what is in place then. */
export function inPlace(
  work: Work,
  details: Details,
  { placed, whole, change = async xml => xml, always = false }: Exchanged,
): Lifecycle {
  const guest = guestOf(work, details)
  return {
    async stop() {
      const before = await noteBefore(work, guest)
      if (!(await existing(guest))) return
      const patience = before.started ? 0 : patienceOf(work)
      if ((await switchOff(guest, patience)) && patience > 0)
        work.warn(`${guest.domain} did not shut down within ${patience / 1000} s and was switched off`)
      await takeOwners(work, await placed())
    },
    async start(restored) {
      const before = await noteBefore(work, guest)
      if (!restored) return await putBack(work, guest, before)
      if (whole) {
        await define(work, guest, await change(await definitionOf(work, details, before.xml)))
        await startsWithHost(guest, details, before)
      } else {
        if (before.xml !== null) await define(work, guest, withRestored(before.xml, await placed()))
        // Bitmaps in the other disks would be left without the checkpoint that is forgotten below.
        if (!isActive(await stateOf(guest))) await dropBitmaps(guest, work.source)
      }
      const started = always || before.active || (whole && details.ran) ? await run(work, guest, details, before) : off
      // A disk that was put back has none of the bitmaps that our checkpoints speak of: the next run begins anew.
      await dropCheckpoints(guest, work.source)
      const stale = whole ? await forgetSnapshots(guest, work.source) : []
      if (stale.length) work.warn(`libvirt lists snapshots that lay in the disks that were replaced: ${stale.join(', ')}`)
      return started
    },
  }
}

const off: Started = { checks: [{ name: 'guest', result: 'it was off, and is off' }], proven: false }

/** Once the guest has stopped, libvirt has given the disks back to their owners: only now is it seen who they are. */
async function takeOwners({ host, token }: Work, placed: readonly Placed[]): Promise<void> {
  for (const { path } of placed) {
    const staged = stagedPath(token, path)
    const before = await ownership(host, path)
    if (before && (await host.stat(staged))) await own(host, staged, before)
  }
}

async function run(work: Work, guest: Guest, details: Details, before: Before): Promise<Started> {
  await note(work, { ...before, started: true })
  if (!isActive(await stateOf(guest))) await startFresh(guest)
  const { agent } = describeDomain(await xmlOf(guest, { inactive: true }))
  return await waitForAnswer(guest, { channel: agent, answered: agent && hadAgent(details) })
}

async function putBack(work: Work, guest: Guest, { xml, active }: Before): Promise<Started> {
  // By now the state that its TPM had before is in its place again, though the domain was not defined.
  if (xml === null) await undefine(guest, { keepTpm: true })
  else {
    await define(work, guest, xml)
    if (active && !isActive(await stateOf(guest))) await startFresh(guest)
  }
  return { checks: [], proven: false }
}

/** The definition alone: a guest that runs goes on as it is, and has it from its next start on. */
function definition(work: Work, details: Details): Lifecycle {
  const guest = guestOf(work, details)
  return {
    async stop() {
      await noteBefore(work, guest)
    },
    async start(restored) {
      const before = await noteBefore(work, guest)
      if (!restored) return await putBack(work, guest, { ...before, active: false })
      await define(work, guest, await definitionAlone(work, details, before.xml))
      await startsWithHost(guest, details, before)
      const result = before.active ? 'from its next start on' : 'it is off'
      return { checks: [{ name: 'definition', result: `${details.domain} is defined as it was; ${result}` }], proven: false }
    },
  }
}
