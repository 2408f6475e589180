/** Captures files: one pass of tar on the host, compressed, written and summed side by side. */
import { join } from 'node:path'
import { HoldfastError, InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { printable } from '../../tools/byte-names.ts'
import { create, measure, memberNames, type Selection } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import { together } from '../../tools/together.ts'
import { compress } from '../../tools/zstd.ts'
import type { Captured, CaptureWork, Held, Work } from '../source.ts'
import { instructions } from './instructions.ts'
import { observe } from './observe.ts'
import { artifactNames, FilesHeld, type FilesOptions } from './options.ts'
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
export async function capture(work: CaptureWork<FilesOptions>): Promise<Captured> {
  const { host, source, held, signal } = work
  const directory = await host.resolve(work.directory)
  const from = new Date()
  const names = artifactNames(source)
  const own = [FilesHeld.parse(held.held).root, directory]
  const selection = await selectFiles(work, own)
  const { take, ...heard } = observe(work, selection.roots)
  const { seen } = heard
  const sha256 = await writeArchive({ ...work, directory }, selection, take)
  heard.refuseLost()
  const leftOut = seen.sockets.length > 0
  if (leftOut)
    await host.write(join(directory, names.leftOut), `${seen.sockets.map(name => `/${printable(name)} (socket)\n`).join('')}`)
  await host.run(['sync', '--', join(directory, names.archive), join(directory, names.listing)], { signal })
  const details = {
    roots: selection.roots.map(printable),
    exclude: [...selection.exclude],
    entries: await countLines(host, join(directory, names.listing), signal),
    archiveBytes: seen.bytes,
    missing: seen.missing,
    sockets: seen.sockets.length,
  }
  return {
    artifacts: [{ name: names.archive, sha256 }, { name: names.listing }, ...(leftOut ? [{ name: names.leftOut }] : [])],
    captured: { from, to: new Date() },
    consistency: { asked: held.consistency.asked, achieved: seen.changed > 0 ? 'none' : held.consistency.achieved },
    parent: null,
    details,
    instructions: instructions({ ...work, details }),
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
    [create(selection, listing, onStderr), compress(options.level), { argv: ['tee', '--', archive] }, { argv: ['sha256sum'] }],
    { input: memberNames(selection.roots), signal },
  )
  const sum = /^[0-9a-f]{64}/.exec(outputs.at(-1)?.stdout ?? '')?.[0]
  if (!sum) throw new HoldfastError(`files: sha256sum on ${host.name} gave no checksum`)
  return sum
}

async function countLines(host: Host, path: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await host.run(['wc', '--lines', '--', path], { signal })
  return Number.parseInt(stdout, 10)
}
