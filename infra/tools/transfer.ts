/** Brings a backup's directory to another place of this machine: whole or not there, and only what differs travels. */
import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { InvalidInput, messageOf, VerificationFailed } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { Backup } from '../inventory.ts'
import { FAILED, HOLD, MANIFEST, REPORT, unfinished, VERIFIED } from '../layout.ts'
import { Manifest } from '../manifest.ts'
import { checkArtifacts } from './checksums.ts'
import { isNoSpace, makeOne, NoSpace, syncFiles } from './disk.ts'
import { chooseOrigins, type Origin } from './origins.ts'
import { copyFiles } from './rsync.ts'
import { copySmall, type Sorted, sortBySize } from './small-files.ts'

export interface Transfer {
  /** Reaches both ends. */
  host: Host
  from: string
  /** The final directory. It is not there yet; the one around it is. */
  to: string
  manifest: Manifest
  /** Part of the temporary name, which keeps two writers apart. */
  fence: string
  /** Finds another backup of the source on the far file system, best the newest: what both have in common does not travel. */
  basis?: () => Promise<Backup | undefined>
  signal: AbortSignal
  progress(progress: { bytes: number; total?: number }): void
}

/**
 * Artifacts first, compared with the manifest where they arrived, then what was learned about them, the manifest last, and the
 * rename to the final name. What a killed writer left of the same backup is used up; foreign files stay where they are.
 */
export async function transfer(work: Transfer): Promise<void> {
  refuseDocumentNames(work.manifest)
  const manifest = await manifestBytes(work.host, work.from, work.manifest)
  const partial = join(dirname(work.to), `.${basename(work.to)}.partial-${work.fence}`)
  const older = await olderPartials(work, partial)
  try {
    const unsynced = await fill(work, partial, older)
    await copyDocuments(work, partial)
    await work.host.write(join(partial, MANIFEST), manifest)
    await syncFiles(work.host, partial, unsynced, work.signal)
  } catch (error) {
    // Nothing to go on from: a full disk needs the room back, damaged bytes are no basis.
    if (isNoSpace(error) || error instanceof VerificationFailed) await work.host.remove(partial)
    throw error
  }
  await work.host.rename(partial, work.to)
  for (const path of older) await work.host.remove(path)
}

/** Removes what writers left of a copy that is whole. */
export async function cleanPartials(host: Host, to: string): Promise<void> {
  for (const path of await partialsOf(host, to)) await host.remove(path)
}

/** The manifest as it lies there, byte for byte; throws `VerificationFailed` where it is not the one that was meant. */
export async function manifestBytes(host: Host, directory: string, manifest: Manifest): Promise<Uint8Array> {
  const bytes = await host.readIfThere(join(directory, MANIFEST))
  if (bytes && isDeepStrictEqual(parsed(directory, bytes), manifest)) return bytes
  throw new VerificationFailed(`${join(directory, MANIFEST)} is ${bytes ? 'not what it was when it was read before' : 'gone'}`, {
    hint: 'A manifest never changes. Find out what happened to it, and keep the directory until you know.',
  })
}

function parsed(directory: string, bytes: Uint8Array): unknown {
  try {
    return Manifest.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (error) {
    throw new VerificationFailed(`${join(directory, MANIFEST)} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Our own name is freed too: files in there may be linked to other copies, so nothing is ever written into an old directory. */
async function olderPartials({ host, to }: Transfer, partial: string): Promise<string[]> {
  if (await host.stat(partial)) await host.rename(partial, `${partial}-${randomBytes(4).toString('hex')}`)
  return partialsOf(host, to)
}

async function partialsOf(host: Host, to: string): Promise<string[]> {
  const entries = (await host.list(dirname(to))).map(({ name }) => ({ name, leftover: unfinished(name) }))
  const ours = entries.filter(({ leftover }) => leftover?.of === basename(to) && leftover.state === 'partial')
  return ours.map(({ name }) => join(dirname(to), name))
}

/** Answers with the names that the disk may not have yet. A basis may be damaged: then everything travels once more, from the source alone. */
async function fill(work: Transfer, partial: string, older: string[]): Promise<string[]> {
  const { host, from, manifest, signal } = work
  const sorted = await sortBySize(host, from, manifest.artifacts)
  const origins = await enoughSpace(work, sorted, older)
  await copyArtifacts(work, partial, sorted, origins)
  try {
    await checkArtifacts(host, partial, manifest, signal)
  } catch (error) {
    if (!(error instanceof VerificationFailed) || origins.every(({ basis }) => !basis)) throw error
    await host.remove(partial)
    await copyArtifacts(work, partial, sorted, await chooseOrigins(host, sorted.others, { older: [], basis: undefined }))
    await checkArtifacts(host, partial, manifest, signal)
  }
  return sorted.others.map(({ name }) => name)
}

async function copyArtifacts(
  { host, from, manifest, signal, progress }: Transfer,
  partial: string,
  { small }: Sorted,
  origins: Origin[],
): Promise<void> {
  signal.throwIfAborted()
  await makeOne(host, partial)
  await copySmall(host, from, partial, small)
  let done = sum(small)
  for (const { names, bytes, basis } of origins) {
    await copyFiles(host, {
      from,
      to: partial,
      names,
      basis,
      signal,
      progress: now => progress({ bytes: done + now, total: manifest.bytes }),
    })
    done += bytes
  }
  progress({ bytes: done, total: manifest.bytes })
}

/** Room for everything that cannot be linked. Leftovers give way where they alone are in it. */
async function enoughSpace(work: Transfer, sorted: Sorted, older: string[]): Promise<Origin[]> {
  const { host, to, manifest } = work
  const basis = sorted.others.length ? await work.basis?.() : undefined
  const origins = await chooseOrigins(host, sorted.others, { older, basis })
  const needed = sum(sorted.small) + sum(origins.filter(origin => origin.basis?.files !== 'same'))
  const { free } = await host.space(dirname(to))
  if (needed <= free) return origins
  if (older.length) {
    for (const path of older.splice(0)) await host.remove(path)
    return enoughSpace(work, sorted, older)
  }
  throw new NoSpace(`${manifest.id} needs ${needed} bytes in ${dirname(to)}, where ${free} are free`, {
    hint: 'Free some space there, let retention keep fewer copies, or choose a larger place.',
  })
}

function sum(parts: readonly { bytes: number }[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0)
}

/** What was learned so far. `copies.json` is knowledge of the place that it lies in and stays there. */
async function copyDocuments({ host, from }: Transfer, partial: string): Promise<void> {
  const there = (await host.list(from)).filter(({ name, type }) => type === 'file' && learned.includes(name))
  const drills = (await host.list(join(from, 'drills'))).filter(
    ({ name, type }) => type === 'file' && /^[^.].*\.(json|png)$/.test(name),
  )
  if (drills.length) await makeOne(host, join(partial, 'drills'))
  for (const name of [...there.map(({ name }) => name), ...drills.map(({ name }) => `drills/${name}`)]) {
    const bytes = await host.readIfThere(join(from, name))
    if (bytes) await host.write(join(partial, name), bytes)
  }
}

const learned = [VERIFIED, FAILED, HOLD, REPORT]

function refuseDocumentNames({ id, artifacts }: Manifest): void {
  const taken = artifacts.find(({ name }) => /^(drills\/.*|copies\.json)$/.test(name) || [MANIFEST, ...learned].includes(name))
  if (taken) throw new InvalidInput(`${id}: ${taken.name} is the name of a document and cannot be an artifact`)
}
