/** Proves a backup of files: the archive is read to its end, and holds what its listing says. */
import { join } from 'node:path'
import prettyBytes from 'pretty-bytes'
import { CommandFailed, VerificationFailed } from '../../errors.ts'
import type { Host, Stage } from '../../hosts/host.ts'
import type { Check } from '../../manifest.ts'
import { sha256Command, sha256In } from '../../tools/sha256.ts'
import { list, withoutMark } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import { together } from '../../tools/together.ts'
import { decompress } from '../../tools/zstd.ts'
import type { StoredWork } from '../source.ts'
import { artifactNames, FilesDetails, type FilesOptions } from './options.ts'

/** Compares sums of both listings, so that millions of entries need no memory. */
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
  const sums = together([
    sumOf(host, [decompress(join(directory, names.archive)), list(onStderr)], signal),
    sumOf(host, [withoutMark(join(directory, names.listing))], signal),
  ])
  const [archived, listed] = await asVerification(`files: ${names.archive} of ${manifest.id} cannot be read through`, sums)
  if (archived === undefined || archived !== listed) {
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

async function sumOf(host: Host, stages: [Stage, ...Stage[]], signal: AbortSignal): Promise<string | undefined> {
  const outputs = await host.pipe([...stages, { argv: await sha256Command(host) }], { signal })
  return sha256In(outputs.at(-1)?.stdout)
}

function count(entries: number): string {
  return entries.toLocaleString('en-US')
}
