/** Proves a backup of files: the archive is read to its end, and holds what its listing says. */
import { join } from 'node:path'
import prettyBytes from 'pretty-bytes'
import { CommandFailed, VerificationFailed } from '../../errors.ts'
import type { Host, Stage } from '../../hosts/host.ts'
import type { Check } from '../../manifest.ts'
import { sha256Command, sha256In } from '../../tools/sha256.ts'
import { list, unmarked, withoutMark } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import { together } from '../../tools/together.ts'
import { decompress } from '../../tools/zstd.ts'
import type { StoredWork } from '../source.ts'
import { readListing } from './archive.ts'
import { artifactNames, FilesDetails, type FilesOptions } from './options.ts'

type Stages = [Stage, ...Stage[]]

/** Bytes before compression: no more members than can be listed in memory. */
const SMALL_ARCHIVE = 16 * 1024 * 1024

/** Compares sums of both listings, so that millions of entries need no memory; small ones as they are. */
export async function verify(work: StoredWork<FilesOptions>): Promise<Check[]> {
  const { host, manifest, signal, progress } = work
  const directory = await host.resolve(work.directory)
  const { entries, archiveBytes } = detailsOf(work)
  const names = artifactNames(manifest.source)
  let read = 0
  const onStderr = (line: string) => {
    const message = tarMessage(line)
    if (message.type === 'total') read = message.bytes
    if (message.type === 'progress') progress({ bytes: message.bytes, total: archiveBytes })
  }
  const [archive, listing] = [join(directory, names.archive), join(directory, names.listing)]
  const stages: Stages = [decompress(archive), list(onStderr)]
  const small = archiveBytes <= SMALL_ARCHIVE ? await readListing(host, listing) : undefined
  const compared = small ? holdsLines(host, stages, small, signal) : sameSums(host, stages, [withoutMark(listing)], signal)
  if (!(await asVerification(`files: ${names.archive} of ${manifest.id} cannot be read through`, compared))) {
    throw new VerificationFailed(`files: ${names.archive} of ${manifest.id} does not hold what ${names.listing} lists`, { hint })
  }
  return [
    { name: 'archive read through', result: `${count(entries)} entries, ${prettyBytes(read)}` },
    { name: 'listing compared', result: `${count(entries)} lines alike` },
  ]
}

/** What the manifest says of this kind; throws VerificationFailed where it says something else. */
export function detailsOf({ manifest }: StoredWork<FilesOptions>): FilesDetails {
  const details = FilesDetails.safeParse(manifest.details)
  if (details.success) return details.data
  throw new VerificationFailed(
    `files: the manifest of ${manifest.id} lacks what a restore needs: ${details.error.issues[0]?.message}`,
    {
      hint,
      cause: details.error,
    },
  )
}

const hint = 'This copy is damaged. Restore from another one, and look into the disk it lies on.'

/** A command that ended with a failure of its own found damage; one that was killed or could not be started did not. */
async function asVerification<Result>(what: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof CommandFailed) || !foundDamage(error)) throw error
    throw new VerificationFailed(`${what}: ${error.message}`, { hint, cause: error })
  }
}

function foundDamage({ outcome: { exitCode, signal, timedOut } }: CommandFailed): boolean {
  return !timedOut && !signal && exitCode !== undefined && exitCode > 0 && exitCode < 126
}

/** Two programs less, for an archive whose members are few. */
async function holdsLines(host: Host, stages: Stages, listing: Uint8Array, signal: AbortSignal): Promise<boolean> {
  const outputs = await host.pipe(stages, { signal })
  return Buffer.from(outputs.at(-1)?.bytes ?? []).equals(unmarked(listing))
}

async function sameSums(host: Host, archive: Stages, listing: Stages, signal: AbortSignal): Promise<boolean> {
  const [archived, listed] = await together([sumOf(host, archive, signal), sumOf(host, listing, signal)])
  return archived !== undefined && archived === listed
}

async function sumOf(host: Host, stages: Stages, signal: AbortSignal): Promise<string | undefined> {
  const outputs = await host.pipe([...stages, { argv: await sha256Command(host) }], { signal })
  return sha256In(outputs.at(-1)?.stdout)
}

function count(entries: number): string {
  return entries.toLocaleString('en-US')
}
