/** Export: waits for the images, chains each to its parent's, and puts them with the domain's state into the backup. */
import { join } from 'node:path'
import { describeDomain } from '../../tools/domain-xml.ts'
import type { Guest } from '../../tools/guest.ts'
import { ownership } from '../../tools/ownership.ts'
import { setBacking } from '../../tools/qemu-img.ts'
import type { Captured, CaptureWork, Progress } from '../source.ts'
import { collectClosed } from './convert.ts'
import type { Details, Image } from './details.ts'
import { nvramName, restorableName, xmlName } from './domain-state.ts'
import { collectOverlays } from './external.ts'
import { Held, type HeldDisk, jsonOf } from './held.ts'
import { collectImages } from './images.ts'
import { instructions } from './instructions.ts'
import type { Options } from './options.ts'
import { withDisks } from './place-disks.ts'
import { loginOf } from './stage.ts'
import { tpmName, tpmSource } from './tpm.ts'
import { fetchWorkspace, type GuestState } from './workspace.ts'

/** What every way of collecting gets. */
export interface Collecting {
  work: CaptureWork<Options>
  guest: Guest
  held: Held
  progress(progress: Progress): void
}

/** The export verb. */
export async function collect(work: CaptureWork<Options>): Promise<Captured> {
  const { host, signal, source, directory } = work
  const held = Held.parse(work.held.held)
  const guest: Guest = { host, uri: held.uri, domain: held.domain, signal }
  await collectMethod({ work, guest, held, progress: work.progress })
  const state = held.stage ? await host.list(held.stage) : []
  const kept = [xmlName(source), nvramName(source), tpmName(source)].filter(name => state.some(found => found.name === name))
  await bring(work, held, [...kept, ...held.disks.filter(({ staged }) => staged).map(({ artifact }) => artifact)])
  const images = await Promise.all(held.disks.map(disk => chained(work, disk)))
  const xml = Buffer.from(await host.read(join(directory, xmlName(source)))).toString('utf8')
  const written = images.length ? [await writeRestorable(work, xml, images)] : []
  const { nvram, disks, ...described } = describeDomain(xml)
  const missing = disks.filter(disk => !disk.readonly && !disk.shareable && !images.some(({ target }) => target === disk.target))
  const leftOut = missing.map(({ target }) => target)
  const { artifacts: fetched, ...workspace } = await fetchWorkspace(work, guestState(held))
  const details: Details = {
    uri: held.uri,
    domain: held.domain,
    uuid: held.uuid,
    mode: held.mode,
    method: held.method,
    why: held.why,
    ran: held.ran,
    ...(held.answered !== undefined && { answered: held.answered }),
    ...(held.autostart !== undefined && { autostart: held.autostart }),
    ...(held.before && { before: held.before }),
    xml: xmlName(source),
    images,
    nvram: kept.includes(nvramName(source)) && nvram ? { artifact: nvramName(source), source: nvram } : null,
    tpm: kept.includes(tpmName(source)) ? { artifact: tpmName(source), source: tpmSource(described) } : null,
    ...workspace,
    frozen: held.frozen,
    downtime: held.downtime,
    dirty: held.dirty,
    inside: held.method === 'internal' ? held.checkpoint : null,
  }
  const at = new Date(held.at)
  return {
    artifacts: [...[...kept, ...written, ...images.map(({ artifact }) => artifact)].map(name => ({ name })), ...fetched],
    captured: { from: at, to: at },
    consistency: work.held.consistency,
    parent: held.parent,
    ...(held.method === 'internal' && { protects: false }),
    ...(workspace.workspaceProblem !== undefined && { incomplete: workspace.workspaceProblem }),
    details: jsonOf(details),
    instructions: instructions({ source, id: work.id, parent: held.parent, details, leftOut }),
  }
}

/** Who restores by hand has no program that changes XML, and must not put the images on what the disks stood on. */
async function writeRestorable({ host, directory, source }: CaptureWork<Options>, xml: string, images: readonly Image[]) {
  const disks = images.map(image => ({ target: image.target, path: image.source, format: image.sourceFormat }))
  const name = restorableName(source)
  await host.write(join(directory, name), withDisks(xml, disks))
  return name
}

/** After its disks were captured while it was off, a guest is booting. */
function guestState({ ran, mode }: Held): GuestState {
  if (!ran) return 'off'
  return mode === 'offline' ? 'booting' : 'running'
}

/** By method: the images lie in the stage, or in the backup's directory already, when this returns. */
async function collectMethod(collecting: Collecting): Promise<void> {
  const { work, guest, held, progress } = collecting
  switch (held.method) {
    case 'incremental':
    case 'copy':
      return await collectImages(collecting)
    case 'external':
      return await collectOverlays(guest, work.id, held.disks, { ...work, progress })
    case 'convert':
      return await collectClosed(guest, held.disks, { ...work, progress })
    case 'internal':
      return
  }
}

/** Second names, not moves: a try after this one finds all of it in the stage again. */
async function bring(
  { host, directory, signal }: CaptureWork<Options>,
  { stage }: Held,
  names: readonly string[],
): Promise<void> {
  if (!stage || !names.length) return
  const paths = names.map(name => join(stage, name))
  const { exitCode } = await host.run(['ln', '-f', '-t', directory, '--', ...paths], { signal, okCodes: [0, 1] })
  if (exitCode !== 0) await host.run(['cp', '--reflink=auto', '--sparse=always', '-t', directory, '--', ...paths], { signal })
  const files = names.map(name => join(directory, name))
  await host.run(['chown', await loginOf(host), '--', ...files], { signal })
  await host.run(['chmod', '0600', '--', ...files], { signal })
}

/** Gives the image its parent by a relative path, so that a chain can be moved as a whole. */
async function chained({ host, directory, signal }: CaptureWork<Options>, disk: HeldDisk): Promise<Image> {
  const { target, artifact, capacity, source, format } = disk
  const image = join(directory, artifact)
  // Always by way of the root: the backup can move to another day's directory of the same depth, as a vault's does.
  const parent = disk.parent ? `../../${disk.parent}` : null
  if (artifact.endsWith('.qcow2')) await setBacking(host, image, parent ?? '')
  await host.run(['sync', '--', image], { signal })
  const [file, there] = await Promise.all([ownership(host, source), host.stat(source)])
  return {
    target,
    artifact,
    format: artifact.endsWith('.qcow2') ? 'qcow2' : 'raw',
    capacity,
    source,
    sourceFormat: format,
    ...(there && there.type !== 'file' && { device: true }),
    parent,
    ...(file && { owner: file.owner, mode: file.mode }),
  }
}
