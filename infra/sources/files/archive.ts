/** Archive and listing, written side by side and brought to the disk. */
import { join } from 'node:path'
import { HoldfastError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { sha256Command, sha256In } from '../../tools/sha256.ts'
import { create, memberNames, type Selection } from '../../tools/tar.ts'
import { compress } from '../../tools/zstd.ts'
import type { CaptureWork } from '../source.ts'
import { artifactNames, type FilesOptions } from './options.ts'

/** Up to so many bytes expected, the caller reads the archive once more for its checksum: cheaper than programs that see it pass. */
const SMALL_ARCHIVE = 256 * 1024
/** Up to so many bytes, a listing is read by us. */
const SMALL_LISTING = 64 * 1024

export interface Archived {
  /** Of the archive, where it was taken while that was written. */
  sha256: string | undefined
  /** Lines of the listing. */
  entries: number
}

interface Paths {
  archive: string
  listing: string
}

/** One pass of tar, whose every word `take` hears; `refuseLost` may then refuse what came of it. */
export async function writeArchive(
  work: CaptureWork<FilesOptions>,
  selection: Selection,
  { take, refuseLost }: { take(line: string): void; refuseLost(): void },
): Promise<Archived> {
  const { host, directory, source, signal, held } = work
  const names = artifactNames(source)
  const paths = { archive: join(directory, names.archive), listing: join(directory, names.listing) }
  const small = held.expected <= SMALL_ARCHIVE
  // Made first, so that nobody else can read it while tar writes.
  await host.write(paths.listing, '')
  const sha256 = small ? await write(work, selection, paths, take) : await writeHashed(work, selection, paths, take)
  refuseLost()
  const bytes = await readListing(host, paths.listing)
  if (small && bytes) await host.write(paths.listing, bytes)
  else await host.run(['sync', '--', ...(small ? [] : [paths.archive]), paths.listing], { signal })
  return { sha256, entries: bytes ? lines(bytes) : await countLines(host, paths.listing, signal) }
}

async function write(
  { host, options, signal }: CaptureWork<FilesOptions>,
  selection: Selection,
  { archive, listing }: Paths,
  onStderr: (line: string) => void,
): Promise<undefined> {
  await host.remove(archive)
  const input = memberNames(selection.roots)
  await host.pipe([create(selection, listing, onStderr), compress(options)], { input, to: archive, signal })
}

async function writeHashed(
  { host, options, signal }: CaptureWork<FilesOptions>,
  selection: Selection,
  { archive, listing }: Paths,
  onStderr: (line: string) => void,
): Promise<string> {
  // As private as the listing.
  await host.write(archive, '')
  const outputs = await host.pipe(
    [
      create(selection, listing, onStderr),
      compress(options),
      { argv: ['tee', '--', archive] },
      { argv: await sha256Command(host) },
    ],
    { input: memberNames(selection.roots), signal },
  )
  const sum = sha256In(outputs.at(-1)?.stdout)
  if (!sum) throw new HoldfastError(`files: SHA-256 on ${host.name} gave no checksum`)
  return sum
}

/** A listing, where it is small enough to hold. */
export async function readListing(host: Host, path: string): Promise<Uint8Array | undefined> {
  const found = await host.stat(path, { follow: false })
  return found?.type === 'file' && found.size <= SMALL_LISTING ? host.read(path) : undefined
}

function lines(bytes: Uint8Array): number {
  return bytes.reduce((count, byte) => (byte === 0x0a ? count + 1 : count), 0)
}

async function countLines(host: Host, path: string, signal: AbortSignal): Promise<number> {
  return Number.parseInt((await host.run(['wc', '--lines', '--', path], { signal })).stdout, 10)
}
