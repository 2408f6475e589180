/** Captures files: one pass of tar on the host, compressed, written and summed side by side. */
import { join } from 'node:path'
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { printable } from '../../tools/byte-names.ts'
import { measure, memberNames, type Selection } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import { together } from '../../tools/together.ts'
import type { Captured, CaptureWork, Held, Work } from '../source.ts'
import { writeArchive } from './archive.ts'
import { instructions } from './instructions.ts'
import { observe, type Seen } from './observe.ts'
import { artifactNames, type FilesDetails, FilesHeld, type FilesOptions } from './options.ts'
import { selectFiles } from './selection.ts'
import { toolVersions } from './versions.ts'

/** Finds what is to be kept, how much that is, and whether there is room for it. */
export async function snapshot(work: Work<FilesOptions> & { root: string }): Promise<Held> {
  const { host, signal, warn } = work
  const root = await host.resolve(work.root)
  const [tools, selection] = await together([toolVersions(host), selectFiles(work, [root])])
  for (const path of selection.links) warn(`${printable(path)} is a symbolic link: the link is kept, and not what it points to`)
  const expected = await archiveBytes(host, selection, signal)
  await checkRoom(host, root, expected)
  return { consistency: { asked: 'crash', achieved: 'crash' }, expected, held: { root }, tools }
}

async function archiveBytes(host: Host, selection: Selection, signal: AbortSignal): Promise<number> {
  let bytes = 0
  const onStderr = (line: string) => {
    const message = tarMessage(line)
    if (message.type === 'total') bytes = message.bytes
  }
  await host.pipe([measure(selection, onStderr)], { input: memberNames(selection.roots), signal })
  return bytes
}

async function checkRoom(host: Host, root: string, needed: number): Promise<void> {
  const { free } = await host.space(root)
  if (needed <= free) return
  throw new InvalidInput(`files: ${needed} bytes are to be kept, and ${root} on ${host.name} has ${free} free`, {
    hint: 'Free some space, shorten the retention, leave something out with `exclude`, or keep backups on a larger disk.',
  })
}

/** Writes archive and listing. Files stay in use meanwhile: what changed is named, and then the copy is of no one moment. */
export async function capture(given: CaptureWork<FilesOptions>): Promise<Captured> {
  const work = { ...given, directory: await given.host.resolve(given.directory) }
  const from = new Date()
  const { root } = FilesHeld.parse(work.held.held)
  const selection = await selectFiles(work, [root, work.directory])
  const observer = observe(work, selection.roots)
  const { sha256, entries } = await writeArchive(work, selection, observer)
  const leftOut = await writeLeftOut(work, observer.seen)
  const details = describe(selection, observer.seen, entries)
  const { archive, listing } = artifactNames(work.source)
  const { asked, achieved } = work.held.consistency
  return {
    artifacts: [{ name: archive, ...(sha256 ? { sha256 } : {}) }, { name: listing }, ...leftOut],
    captured: { from, to: new Date() },
    consistency: { asked, achieved: observer.seen.changed > 0 ? 'none' : achieved },
    parent: null,
    details,
    instructions: instructions({ ...work, details }),
  }
}

/** Sockets, which no archive holds, are named in a file of their own. */
async function writeLeftOut(
  { host, directory, source }: CaptureWork<FilesOptions>,
  { sockets }: Seen,
): Promise<{ name: string }[]> {
  const { leftOut } = artifactNames(source)
  if (sockets.length === 0) {
    await host.remove(join(directory, leftOut))
    return []
  }
  await host.write(join(directory, leftOut), sockets.map(name => `/${printable(name)} (socket)\n`).join(''))
  return [{ name: leftOut }]
}

function describe(selection: Selection, seen: Seen, entries: number): FilesDetails {
  return {
    roots: selection.roots.map(printable),
    exclude: [...selection.exclude],
    entries,
    archiveBytes: seen.bytes,
    missing: seen.missing,
    sockets: seen.sockets.length,
  }
}
