/** Brings images of a backup beside their targets: whole, whatever they build on, and checked there. */
import { dirname, join } from 'node:path'
import { HoldfastError, InvalidInput, VerificationFailed } from '../../errors.ts'
import type { Check } from '../../manifest.ts'
import { own, ownership } from '../../tools/ownership.ts'
import { checkImage, convertImage, imageInfo, measureImage } from '../../tools/qemu-img.ts'
import type { Replacement, RestoreWork } from '../source.ts'
import { detailsOf, type Placed, stagedPath } from './goal.ts'

type Work = RestoreWork<unknown>

export interface StagedDisks {
  replacements: Replacement[]
  checks: Check[]
}

/** What an earlier try left is written over. Where it cannot be done, nothing is left. */
export async function stageDisks(work: Work, disks: readonly Placed[]): Promise<StagedDisks> {
  for (const { path } of disks) await makeReady(work, path)
  sayOpen(work, disks)
  const sizes = await roomFor(work, disks)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const replacements: Replacement[] = []
  try {
    for (const [index, disk] of disks.entries()) {
      const before = sizes.slice(0, index).reduce((sum, size) => sum + size, 0)
      const done = (percent: number) =>
        work.progress({ bytes: Math.round(before + ((sizes[index] ?? 0) * percent) / 100), total })
      const staged = stagedPath(work.token, disk.path)
      replacements.push({ target: disk.path, staged })
      await write(work, disk, staged, done)
    }
  } catch (error) {
    if (!work.signal.aborted) for (const { staged } of replacements) if (staged) await work.host.remove(staged)
    throw error
  }
  const result = disks.map(({ image, format }) => `${image.target} ${image.capacity} bytes as ${format}`).join(', ')
  return { replacements, checks: [{ name: 'restored disks', result: `${result}: whole and sound` }] }
}

/** The images of a backup are not encrypted, nor is what becomes of them. */
export function sayOpen(work: Work, disks: readonly Placed[]): void {
  const encrypted = detailsOf(work).before?.encrypted ?? []
  for (const { image, path } of disks)
    if (encrypted.includes(image.target)) work.warn(`${path} is not encrypted, as ${image.target} was when it was backed up`)
}

/** A small file such as the UEFI variables, with the owner and mode of what it replaces. */
export async function stageFile(work: Work, artifact: string, target: string): Promise<Replacement> {
  const { host, directory, signal } = work
  const staged = stagedPath(work.token, target)
  await makeReady(work, target)
  await host.remove(staged)
  await host.run(['cp', '--sparse=auto', '--', join(await host.resolve(directory), artifact), staged], { signal })
  const before = await ownership(host, target)
  if (before) await own(host, staged, before)
  await host.run(['sync', '--', staged], { signal })
  return { target, staged }
}

/** Its directory is there, and what is at the path can be moved aside. */
export async function makeReady({ host, warn }: Work, path: string): Promise<void> {
  const there = await host.stat(path)
  if (there && there.type !== 'file')
    throw new InvalidInput(`${path} is no regular file: what is there cannot be moved aside`, {
      hint: 'Restore this disk to a file with --part and --to, and write it there by hand: RESTORE.md has the command.',
    })
  if (await host.stat(dirname(path))) return
  await host.makeDirectory(dirname(path), { mode: 0o711 })
  warn(`${dirname(path)} was missing and was made`)
}

/** Throws where the disks do not fit beside what is there. Answers with the bytes of each, at most. */
export async function roomFor({ host, directory, signal }: Work, disks: readonly Placed[]): Promise<number[]> {
  const from = await host.resolve(directory)
  const sizes: number[] = []
  const places = new Map<string, number>()
  for (const { image, path, format } of disks) {
    const conversion = { from: join(from, image.artifact), fromFormat: image.format, toFormat: format }
    const size = await measureImage(host, conversion, signal)
    sizes.push(size)
    places.set(dirname(path), (places.get(dirname(path)) ?? 0) + size)
  }
  for (const [place, needed] of places) {
    const { free } = await host.space(place)
    if (free < needed)
      throw new HoldfastError(`${place} has ${free} bytes free, the restored disks need ${needed} beside what is there`, {
        retryable: false,
        hint: 'Make room there.',
      })
  }
  return sizes
}

async function write(
  work: Work,
  { image, path, format, owned }: Placed,
  staged: string,
  progress: (percent: number) => void,
): Promise<void> {
  const { host, directory, signal } = work
  const from = join(await host.resolve(directory), image.artifact)
  // Made by us first: nobody else may read a disk that is being written.
  await host.write(staged, '')
  await convertImage(host, { from, fromFormat: image.format, to: staged, toFormat: format, signal, progress })
  const { capacity } = await imageInfo(host, staged, { signal })
  if (capacity !== image.capacity)
    throw new VerificationFailed(`${image.artifact} of ${work.id} has ${capacity} bytes, the manifest says ${image.capacity}`)
  await checkImage(host, staged, signal)
  if (owned) await giveAway(work, { image, path }, staged)
}

/** As what is there; where nothing is, as it was when it was backed up. Another host may not know that owner. */
export async function giveAway(
  { host, warn }: Work,
  { image, path }: Pick<Placed, 'image' | 'path'>,
  staged: string,
): Promise<void> {
  const before = await ownership(host, path)
  if (before) return await own(host, staged, before)
  const { owner, mode } = image
  if (!owner || !mode) return
  const there = await host.run(['chown', owner, '--', staged], { okCodes: [0, 1] })
  if (there.exitCode !== 0) warn(`${path} cannot be given to ${owner}, whose it was: ${there.stderr.trim()}`)
  await host.run(['chmod', mode, '--', staged])
}
