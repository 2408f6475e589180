/** Captures files: one pass of tar on the host, compressed, written and summed side by side. */
import { join } from 'node:path'
import { HoldfastError, InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { printable } from '../../tools/byte-names.ts'
import { sha256Command, sha256In } from '../../tools/sha256.ts'
import { create, measure, memberNames, type Selection } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import { together } from '../../tools/together.ts'
import { compress } from '../../tools/zstd.ts'
import type { Captured, CaptureWork, Held, Work } from '../source.ts'
import { instructions } from './instructions.ts'
import { type Observer, observe, type Seen } from './observe.ts'
import { artifactNames, type FilesDetails, FilesHeld, type FilesOptions } from './options.ts'
import { selectFiles } from './selection.ts'
import { toolVersions } from './versions.ts'

/** Finds what is to be kept, how much that is, and whether there is room for it. */
export async function snapshot(work: Work<FilesOptions> & { root: string }): Promise<Held> {
  const { host, signal, warn } = work
  const root = await host.resolve(work.root)
  const [tools, selection] = await together([toolVersions(host, signal), selectFiles(work, [root])])
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
  const artifacts = await writeArtifacts(work, selection, observer)
  const details = await describe(work, selection, observer.seen)
  const { asked, achieved } = work.held.consistency
  return {
    artifacts,
    captured: { from, to: new Date() },
    consistency: { asked, achieved: observer.seen.changed > 0 ? 'none' : achieved },
    parent: null,
    details,
    instructions: instructions({ ...work, details }),
  }
}

async function writeArtifacts(work: CaptureWork<FilesOptions>, selection: Selection, { take, refuseLost, seen }: Observer) {
  const { host, directory, source, signal } = work
  const { archive, listing, leftOut } = artifactNames(source)
  const sha256 = await writeArchive(work, selection, take)
  refuseLost()
  await host.run(['sync', '--', join(directory, archive), join(directory, listing)], { signal })
  const artifacts = [{ name: archive, sha256 }, { name: listing }]
  if (seen.sockets.length === 0) {
    await host.remove(join(directory, leftOut))
    return artifacts
  }
  await host.write(join(directory, leftOut), seen.sockets.map(name => `/${printable(name)} (socket)\n`).join(''))
  return [...artifacts, { name: leftOut }]
}

async function describe(work: CaptureWork<FilesOptions>, selection: Selection, seen: Seen): Promise<FilesDetails> {
  const { host, directory, source, signal } = work
  const { stdout } = await host.run(['wc', '--lines', '--', join(directory, artifactNames(source).listing)], { signal })
  return {
    roots: selection.roots.map(printable),
    exclude: [...selection.exclude],
    entries: Number.parseInt(stdout, 10),
    archiveBytes: seen.bytes,
    missing: seen.missing,
    sockets: seen.sockets.length,
  }
}

async function writeArchive(
  work: CaptureWork<FilesOptions>,
  selection: Selection,
  onStderr: (line: string) => void,
): Promise<string> {
  const { host, directory, source, options, signal } = work
  const [archive, listing] = [join(directory, artifactNames(source).archive), join(directory, artifactNames(source).listing)]
  // Made first, so that nobody else can read them while tee and tar write.
  await host.write(archive, '')
  await host.write(listing, '')
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
