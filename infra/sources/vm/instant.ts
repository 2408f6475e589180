/** A restored domain that runs from its backup at once: each disk is an overlay on an image of the backup, filled while it is in use. */
import { dirname, join } from 'node:path'
import { InvalidInput } from '../../errors.ts'
import type { Check } from '../../manifest.ts'
import { letGo } from '../../tools/access.ts'
import { describeDomain } from '../../tools/domain-xml.ts'
import { type Guest, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import type { Instant, Lifecycle, RestoreWork, Staged } from '../source.ts'
import { waitForAnswer } from './answer.ts'
import { type BackedDisk, chainOf, makeOverlay, openBackup, withBacking } from './backed.ts'
import { renamed } from './copy.ts'
import { define, undefine } from './define.ts'
import { type Details, hadAgent } from './details.ts'
import { existing, guestOf } from './find-domain.ts'
import { copiesOf, detailsOf, goalOf, originalsOf, type Placed, stagedPath } from './goal.ts'
import { inPlace } from './lifecycle.ts'
import { forgetBacking, pullDisk } from './pull.ts'
import { stage } from './restore.ts'
import { qemuOwner } from './stage.ts'
import { giveAway, makeReady, roomFor, type StagedDisks, sayOpen } from './stage-disks.ts'
import { startFresh, switchOff } from './switch-off.ts'

type Work = RestoreWork<unknown>

export const instant: Instant<unknown> = {
  async stage(work): Promise<Staged> {
    aimOf(work)
    return await stage(work, layOverBackup)
  },

  lifecycle(work) {
    const { details, name, placed } = aimOf(work)
    const change = async (xml: string) => withBacking(xml, await backedDisks(work, placed), await isLabelled(work, details))
    return name === undefined
      ? inPlace(work, details, { placed: async () => placed, whole: true, change, always: true })
      : besides(work, details, name, change)
  },

  async pull(work): Promise<Check[]> {
    const { details, name, placed } = aimOf(work)
    const guest = guestOf(work, details, name)
    const disks = placed.map(({ image, path }) => ({ target: image.target, path }))
    const began = performance.now()
    for (const disk of disks) await pullDisk(guest, disk, work.progress)
    const xml = await forgetBacking(guest, disks)
    if (xml !== undefined) await define(work, guest, xml)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const result = `${disks.map(({ target }) => target).join(', ')} within ${seconds} s while it ran: nothing needs the backup any more`
    return [{ name: 'pulled into place', result }]
  },

  async letGo({ host, token, scratch }) {
    await letGo({ host, token, notes: notesOf({ scratch }) })
  },
}

interface Aim {
  details: Details
  /** The copy's; undefined: in place. */
  name: string | undefined
  placed: Placed[]
}

function aimOf(work: Work): Aim {
  const details = detailsOf(work)
  const goal = goalOf(work)
  const overlaid = (disks: readonly Placed[]) => disks.map(disk => ({ ...disk, format: 'qcow2' }))
  if (goal.what === 'whole') return { details, name: undefined, placed: overlaid(originalsOf(details.images)) }
  if (goal.what === 'copy') return { details, name: goal.name, placed: overlaid(copiesOf(details.images, goal.name)) }
  throw new InvalidInput(`${work.id} cannot be run from: it lies inside the disks of ${details.domain}`, {
    hint: 'Restore it without --instant.',
  })
}

/** Who lets QEMU's user read backups notes it there, beside the scratch places of all restores and drills. */
function notesOf({ scratch }: Pick<Work, 'scratch'>): string {
  return join(dirname(scratch), 'readers')
}

/** What an earlier try left is written over. Where it cannot be done, nothing is left. */
async function layOverBackup(work: Work, disks: readonly Placed[]): Promise<StagedDisks> {
  const { host, token, signal } = work
  const placed = disks.map(disk => ({ ...disk, format: 'qcow2', staged: stagedPath(token, disk.path) }))
  for (const { path, image } of placed) {
    await makeReady(work, path)
    if (image.sourceFormat !== 'qcow2')
      work.warn(`${path} becomes a qcow2 image: a ${image.sourceFormat} one cannot build on a backup`)
  }
  sayOpen(work, disks)
  await roomFor(work, placed)
  try {
    const backed = []
    for (const disk of placed) {
      backed.push(await makeOverlay(work, { image: disk.image, path: disk.staged }))
      if (disk.owned) await giveAway(work, disk, disk.staged)
    }
    await openBackup(
      guestOf(work, detailsOf(work)),
      backed.map(({ below }) => below),
      {
        ...{ notes: notesOf(work), token, passed: [] },
      },
    )
  } catch (error) {
    if (!signal.aborted) for (const { staged } of placed) await host.remove(staged)
    throw error
  }
  return { replacements: placed.map(({ path, staged }) => ({ target: path, staged })), checks: [] }
}

/** The overlays where they are now, and what each builds on. */
async function backedDisks(work: Work, placed: readonly Placed[]): Promise<BackedDisk[]> {
  return await Promise.all(
    placed.map(async ({ image, path, format }) => ({ target: image.target, path, format, below: await chainOf(work, image) })),
  )
}

async function isLabelled(work: Work, details: Details): Promise<boolean> {
  return (await qemuOwner(guestOf(work, details))) !== undefined
}

/** A copy beside the original that is started, as somebody wants it now. */
function besides(work: Work, details: Details, name: string, change: (xml: string) => Promise<string>): Lifecycle {
  const guest: Guest = guestOf(work, details, name)
  const isOurs = async (uuid: string) => (await existing(guest))?.uuid === uuid
  return {
    async stop() {
      if (await isOurs((await renamed(work, details, name)).uuid)) await switchOff(guest, 0)
    },
    async start(restored) {
      const { xml, uuid, leftOut } = await renamed(work, details, name)
      if (!restored) {
        if (await isOurs(uuid)) await undefine(guest)
        return { checks: [], proven: false }
      }
      if (!(await isOurs(uuid)) || !isActive(await stateOf(guest))) {
        await define(work, guest, await change(xml))
        await startFresh(guest)
      }
      if (leftOut.length) work.warn(`${name} has no ${leftOut.join(', ')}: not in the backup, and ${details.domain} uses them`)
      work.warn(`${name} runs beside ${details.domain}: an address that is set in the guest is now there twice`)
      const { agent } = describeDomain(await xmlOf(guest, { inactive: true }))
      return await waitForAnswer(guest, { channel: agent, answered: agent && hadAgent(details) })
    },
  }
}
