/** Proves a backup of a domain: each image is sound, opens down to its base, and is what the manifest and the domain's XML say. */
import { dirname, join, normalize } from 'node:path'
import { CommandFailed, messageOf, VerificationFailed } from '../../errors.ts'
import { MANIFEST } from '../../layout.ts'
import type { Check } from '../../manifest.ts'
import { type DomainDescription, describeDomain } from '../../tools/domain-xml.ts'
import { checkImage, type ImageInfo, imageChain } from '../../tools/qemu-img.ts'
import type { StoredWork } from '../source.ts'
import type { Details, Image } from './details.ts'
import { detailsOf } from './goal.ts'
import { checkInside } from './inside.ts'
import { checkWorkspace } from './workspace.ts'

type Work = StoredWork<unknown>

/** The caller has compared sizes and checksums of its own artifacts. */
export async function verify(given: Work): Promise<Check[]> {
  const work = { ...given, directory: await given.host.resolve(given.directory) }
  const details = detailsOf(work)
  const domain = await readDomain(work, details)
  const checks: Check[] = [compareDomain(work, details, domain)]
  for (const image of details.images) checks.push(await checkOne(work, image))
  const { host, signal } = work
  if (details.inside !== null) checks.push(await checkInside({ host, signal, ...details }, details.inside))
  return [...checks, ...(await checkWorkspace(work.host, work.directory, details, work.signal))]
}

async function readDomain({ host, directory }: Work, { xml }: Details): Promise<DomainDescription> {
  const path = join(directory, xml)
  const bytes = await host.readIfThere(path)
  if (!bytes) throw damaged(`${path} is gone`)
  try {
    return describeDomain(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    throw damaged(`${path}: ${messageOf(error)}`, error)
  }
}

/** The definition and the manifest speak of the same domain. */
function compareDomain({ manifest, warn }: Work, details: Details, { name, uuid, disks }: DomainDescription): Check {
  if (name !== details.domain || uuid !== details.uuid)
    throw damaged(`${details.xml} defines ${name} (${uuid}), the manifest says ${details.domain} (${details.uuid})`)
  const listed = new Set(manifest.artifacts.map(artifact => artifact.name))
  const wanted = [details.xml, ...details.images.map(({ artifact }) => artifact), details.nvram?.artifact, details.tpm?.artifact]
  const unlisted = wanted.find(artifact => artifact !== undefined && !listed.has(artifact))
  if (unlisted !== undefined) throw damaged(`${unlisted} is not among the artifacts of ${manifest.id}`)
  // A disk that was plugged in for this run alone is in the backup, and no definition asks for it.
  const undefinedDisks = details.images
    .filter(({ target }) => !disks.some(disk => disk.target === target))
    .map(({ target }) => target)
  const note = undefinedDisks.length ? `; ${undefinedDisks.join(', ')} in no definition` : ''
  if (note) warn(`${manifest.id} has disks that the definition of ${name} does not: ${undefinedDisks.join(', ')}`)
  return { name: 'domain', result: `${name}, ${details.images.length} of ${disks.length} disks${note}` }
}

async function checkOne(work: Work, image: Image): Promise<Check> {
  const { host, directory, signal } = work
  const path = join(directory, image.artifact)
  const chain = await openChain(work, path)
  const [top, ...below] = chain
  if (top?.format !== image.format) throw damaged(`${path} is ${top?.format ?? 'nothing'}, the manifest says ${image.format}`)
  if (top.capacity !== image.capacity)
    throw damaged(`${path} holds a disk of ${top.capacity} bytes, the manifest says ${image.capacity}`)
  if ((top.backing ?? null) !== image.parent)
    throw damaged(`${path} builds on ${top.backing ?? 'nothing'}, the manifest says ${image.parent ?? 'nothing'}`)
  await refuseOutside(work, path, chain)
  await checkImage(host, path, signal)
  const result = below.length ? `sound, and opens over ${below.length} older images to its base` : 'sound and whole'
  return { name: image.artifact, result }
}

async function openChain({ host, signal }: Work, path: string): Promise<ImageInfo[]> {
  try {
    return await imageChain(host, path, { signal })
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.outcome.signal || error.outcome.timedOut || error.outcome.exitCode === 127)
      throw error
    throw damaged(
      `${path} does not open down to its base: ${error.outcome.stderr.trim().split('\n').at(-1) ?? messageOf(error)}`,
      error,
    )
  }
}

/** Every older image is one of a backup beside this one: whoever copies the chain would miss anything else. */
async function refuseOutside({ host, directory }: Work, path: string, chain: readonly ImageInfo[]): Promise<void> {
  const root = dirname(dirname(directory))
  let image = path
  for (const { backing } of chain) {
    if (backing === undefined) return
    image = normalize(join(dirname(image), backing))
    const place = dirname(image)
    const inside = !backing.startsWith('/') && dirname(dirname(place)) === root
    if (inside && (await host.stat(join(place, MANIFEST)))) continue
    throw damaged(`${path} builds on ${image}, which belongs to no backup in ${root}`)
  }
}

function damaged(problem: string, cause?: unknown): VerificationFailed {
  return new VerificationFailed(problem, {
    cause,
    hint: 'Restore from another copy: `holdfast list` shows where the copies are. The next run makes a new backup.',
  })
}
