/** Brings files back: unpacks them beside where they belong and compares them there with the archive, byte by byte. */
import { join } from 'node:path'
import { HoldfastError, VerificationFailed } from '../../errors.ts'
import type { Check } from '../../manifest.ts'
import { byteName, parsePrintable } from '../../tools/byte-names.ts'
import { compare, extract, memberNames } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import type { RestoreWork, Staged } from '../source.ts'
import { detailsOf } from './check.ts'
import { artifactNames, type FilesOptions } from './options.ts'
import { destination, type Neighbours, neighbours, placesOf } from './placing.ts'

/** One pass over the archive for each mount that targets lie on. */
export async function stage(work: RestoreWork<FilesOptions>): Promise<Staged> {
  const { host, signal, token } = work
  const details = detailsOf(work)
  const to = work.to === undefined ? undefined : await destination(host, work.to)
  const groups = await neighbours(host, placesOf(details.roots.map(parsePrintable), to), token, signal)
  const checks: Check[] = []
  for (const group of groups) checks.push(await unpack(work, group, groups.length > 1, details.archiveBytes))
  return {
    replacements: groups.flatMap(({ stage, places }) =>
      places.map(({ member, target }) => ({ target, staged: join(stage, member) })),
    ),
    // What could not be read then may be there now, and in no backup.
    leftOut: details.exclude.length > 0 || details.missing > 0,
    scratch: groups.map(({ stage }) => stage),
    checks,
  }
}

async function unpack(
  work: RestoreWork<FilesOptions>,
  { stage, places }: Neighbours,
  named: boolean,
  total: number,
): Promise<Check> {
  const { host, manifest, signal, progress, warn } = work
  const archive = join(await host.resolve(work.directory), artifactNames(manifest.source).archive)
  const input = named ? memberNames(places.map(({ member }) => byteName(member))) : ''
  await host.remove(stage)
  if (!named) await checkRoom(work, stage, total)
  await host.makeDirectory(stage)
  const asRoot = (await host.run(['id', '-u'], { signal })).stdout.trim() === '0'
  const onStderr = (line: string) => {
    const message = tarMessage(line)
    if (message.type === 'progress') progress({ bytes: message.bytes, total })
    else if ('text' in message) warn(message.text)
  }
  await host.pipe([extract(archive, stage, { named, asRoot }, onStderr)], { input, signal })
  const [compared] = await host.pipe([compare(archive, stage, { named }, () => undefined)], { input, signal })
  judge(work, compared?.stdout ?? '', asRoot)
  await host.run(['sync', '--file-system', '--', stage], { signal })
  return {
    name: `unpacked to ${stage} and compared`,
    result: `${places.length} of ${places.length} paths as they are in the archive`,
  }
}

async function checkRoom({ host, manifest }: RestoreWork<FilesOptions>, place: string, needed: number): Promise<void> {
  const { free } = await host.space(place)
  if (needed <= free) return
  throw new HoldfastError(`files: ${manifest.id} needs ${needed} bytes at ${place}, where ${free} are free`, {
    retryable: false,
    hint: 'What is there is kept until the restored files check out. Free some space, or restore to another disk (--to).',
  })
}

/** Only root can give files to others: without it differing owners are said, not refused. */
function judge({ host, manifest, warn }: RestoreWork<FilesOptions>, differences: string, asRoot: boolean): void {
  const lines = differences.split('\n').filter(line => line !== '')
  const owners = asRoot ? [] : lines.filter(line => /: [UG]id differs$/.test(line))
  for (const line of owners) warn(`/${line}: only root can restore owners`)
  const others = lines.filter(line => !owners.includes(line))
  if (others.length === 0) return
  const first = others.slice(0, 5).join('; ')
  throw new VerificationFailed(`files: what was unpacked of ${manifest.id} on ${host.name} differs from the archive: ${first}`, {
    hint: 'Nothing was replaced. Try again; if it stays, the disk or the archive is damaged.',
  })
}
