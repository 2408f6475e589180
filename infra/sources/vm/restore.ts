/** Restores a domain: brings what is wanted beside its place. Nothing that is in use is touched; `lifecycle` does the rest. */
import { dirname, join } from 'node:path'
import { HoldfastError, InvalidInput } from '../../errors.ts'
import { describeDomain } from '../../tools/domain-xml.ts'
import { xmlOf } from '../../tools/guest.ts'
import type { Replacement, RestoreWork, Staged } from '../source.ts'
import type { Details, Image } from './details.ts'
import { existing, guestOf, nameOfUuid } from './find-domain.ts'
import { copiesOf, detailsOf, goalOf, originalsOf, type Placed, stagedPath } from './goal.ts'
import { uuidOf } from './rename.ts'
import { stageDisks, stageFile } from './stage-disks.ts'
import { makeStore, UNPACKING } from './tpm.ts'
import { addressOf } from './workspace-back.ts'

type Work = RestoreWork<unknown>

/** `bring` puts disks beside their places: whole, unless told otherwise. */
export async function stage(work: Work, bring: typeof stageDisks = stageDisks): Promise<Staged> {
  const details = detailsOf(work)
  const goal = goalOf(work)
  switch (goal.what) {
    case 'whole':
      await refuseStranger(work, details)
      return await staged(work, details, {
        ...{ bring, disks: originalsOf(details.images) },
        ...{ nvram: details.nvram?.source, tpm: details.tpm?.source },
      })
    case 'copy':
      return await stageCopy(work, details, goal.name, bring)
    case 'disk':
      return await stageDisks(work, [await placeOf(work, details, goal.image, goal.path)]).then(complete)
    case 'xml':
      if (goal.path === undefined) await refuseStranger(work, details)
      return goal.path === undefined ? nothing : await stageNewFile(work, details.xml, goal.path)
    case 'workspace':
      return goal.path === undefined ? reachable(work, details) : await unpackWorkspace(work, details, goal.path)
    case 'inside':
      await requireSnapshot(work, details, goal.snapshot)
      work.warn(`${details.domain} goes back to its snapshot ${goal.snapshot}: what it did since is lost, whatever comes of it`)
      return nothing
  }
}

/** The seed of everything that must be one of a kind in a copy. */
export function seedOf({ token, id }: Pick<Work, 'token' | 'id'>, name: string): string {
  return `${id} ${token} ${name}`
}

/** Where a copy has its UEFI variables and the state of its TPM. */
export function stateOfCopy(
  work: Pick<Work, 'token' | 'id'>,
  { nvram, tpm }: Details,
  name: string,
): { nvram?: string; tpm?: string } {
  return {
    ...(nvram && { nvram: join(dirname(nvram.source), `${name}_VARS.fd`) }),
    ...(tpm && { tpm: join(dirname(tpm.source), uuidOf(`${seedOf(work, name)} uuid`)) }),
  }
}

const nothing: Staged = { replacements: [], leftOut: false, scratch: [], checks: [] }

function complete(staged: Pick<Staged, 'replacements' | 'checks'>): Staged {
  return { ...nothing, ...staged }
}

interface Wanted {
  disks: readonly Placed[]
  bring: typeof stageDisks
  nvram?: string | undefined
  tpm?: string | undefined
}

async function staged(work: Work, details: Details, { disks, bring, nvram, tpm }: Wanted): Promise<Staged> {
  const { replacements, checks } = await bring(work, disks)
  const small: Replacement[] = []
  if (details.nvram && nvram) small.push(await stageFile(work, details.nvram.artifact, nvram))
  if (details.tpm && tpm) small.push(await unpackTpm(work, details.tpm.artifact, tpm))
  return complete({ replacements: [...replacements, ...small], checks })
}

async function stageCopy(work: Work, details: Details, name: string, bring: typeof stageDisks): Promise<Staged> {
  const { host } = work
  if (await existing(guestOf(work, details, name)))
    throw new InvalidInput(`${host.name} has a domain ${name} already`, { hint: 'Choose another name.' })
  const disks = copiesOf(details.images, name)
  const state = stateOfCopy(work, details, name)
  for (const path of [...disks.map(({ path }) => path), ...Object.values(state)]) await refuseThere(work, path)
  return await staged(work, details, { bring, disks, ...state })
}

/** A disk alone goes to where the domain has it now, in the format that it has there. */
export async function placeOf(work: Work, details: Details, image: Image, path: string | undefined): Promise<Placed> {
  if (path !== undefined) {
    const to = await work.host.resolve(path)
    await refuseThere(work, to)
    return { image, path: to, format: image.sourceFormat, owned: false }
  }
  const guest = guestOf(work, details)
  if (!(await existing(guest)))
    throw new InvalidInput(`there is no domain ${details.domain} to put ${image.target} into`, {
      hint: 'Restore all of it, or this disk to a file with --to.',
    })
  const disk = describeDomain(await xmlOf(guest, { inactive: true })).disks.find(({ target }) => target === image.target)
  if (!disk?.source)
    throw new InvalidInput(`${details.domain} has no disk ${image.target} any more`, { hint: 'Restore it to a file with --to.' })
  return { image, path: disk.source, format: disk.format, owned: true }
}

/** libvirt knows a domain by its UUID: one of that name that is another is not ours to replace. */
async function refuseStranger(work: Work, details: Details): Promise<void> {
  const guest = guestOf(work, details)
  const there = await existing(guest)
  const hint = `Restore it under another name: --to ${details.domain}-restored`
  if (there && there.uuid !== details.uuid)
    throw new InvalidInput(
      `${details.domain} on ${work.host.name} is another domain than the one that was backed up: its UUID differs`,
      { hint },
    )
  const name = there ? undefined : await nameOfUuid(guest, details.uuid)
  if (name !== undefined) throw new InvalidInput(`${details.domain} is called ${name} now`, { hint })
}

async function requireSnapshot(work: Work, details: Details, snapshot: string): Promise<void> {
  const there = await existing(guestOf(work, details), snapshot)
  if (!there?.snapshot)
    throw new HoldfastError(`${details.domain} has no snapshot ${snapshot} any more`, {
      retryable: false,
      hint: 'It was lost with the disk that held it, or somebody deleted it. Choose another backup: holdfast list',
    })
}

async function refuseThere({ host }: Work, path: string): Promise<void> {
  if (await host.stat(path, { follow: false }))
    throw new InvalidInput(`${path} is there already`, { hint: 'Choose another name, or move it away.' })
}

async function stageNewFile(work: Work, artifact: string, path: string): Promise<Staged> {
  const target = await work.host.resolve(path)
  await refuseThere(work, target)
  return complete({ replacements: [await stageFile(work, artifact, target)], checks: [] })
}

/** Refused here already, where nothing has been touched. */
function reachable(work: Work, details: Details): Staged {
  addressOf(work, details)
  return nothing
}

/** Unpacked on the host. Who owned what there are the guest's users, whom nobody knows here. */
async function unpackWorkspace(work: Work, { workspace }: Details, path: string): Promise<Staged> {
  const { host, directory } = work
  const target = await host.resolve(path)
  await refuseThere(work, target)
  const archive = join(await host.resolve(directory), workspace?.artifact ?? '')
  return complete({ replacements: [await unpack(work, archive, target, ['--no-same-owner'])], checks: [] })
}

async function unpackTpm(work: Work, artifact: string, target: string): Promise<Replacement> {
  const archive = join(await work.host.resolve(work.directory), artifact)
  await makeStore(work.host, target)
  return await unpack(work, archive, target, UNPACKING)
}

async function unpack({ host, token, signal }: Work, archive: string, target: string, options: string[]): Promise<Replacement> {
  const staged = stagedPath(token, target)
  await host.remove(staged)
  await host.makeDirectory(staged)
  const tar = ['tar', '--extract', '--preserve-permissions', ...options, '--file=-', `--directory=${staged}`] as const
  await host.pipe([{ argv: ['gzip', '--decompress', '--stdout', '--', archive] }, { argv: tar }], { signal })
  await host.run(['sync', '-f', '--', staged], { signal })
  return { target, staged }
}
