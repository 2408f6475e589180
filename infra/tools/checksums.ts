/** Sizes and SHA-256 of files, read by the host itself. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { HoldfastError, messageOf, VerificationFailed } from '../errors.ts'
import type { Argv, Host } from '../hosts/host.ts'
import type { Artifact, Check, Manifest } from '../manifest.ts'
import { argumentBatches } from './arguments.ts'
import { sha256Command } from './sha256.ts'

/** Size and SHA-256 of each regular file, names relative to `directory`, in the order asked. Throws where one is missing or unreadable. */
export async function hashFiles(
  host: Host,
  directory: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<Artifact[]> {
  const root = await host.resolve(directory)
  const sizes = await sizesOf(host, root, names)
  const hashes = await hashesOf(host, sizes, signal)
  return names.map(name => ({ name, bytes: known(sizes, root, name), sha256: known(hashes, root, name) }))
}

/** Compares every artifact with the manifest, sizes first. Throws `VerificationFailed` naming the files that differ. */
export async function checkArtifacts(host: Host, directory: string, manifest: Manifest, signal?: AbortSignal): Promise<Check[]> {
  const { artifacts } = manifest
  const root = await host.resolve(directory)
  const sizes = await sizesOf(host, root, artifacts.map(nameOf)).catch(refuse)
  fail(
    artifacts.filter(({ name, bytes }) => sizes.get(join(root, name)) !== bytes),
    ({ name, bytes }) => `${name} has ${sizes.get(join(root, name))} bytes, the manifest says ${bytes}`,
  )
  const hashes = await hashesOf(host, sizes, signal).catch(refuse)
  fail(
    artifacts.filter(({ name, sha256 }) => hashes.get(join(root, name)) !== sha256),
    ({ name, sha256 }) => `${name} has SHA-256 ${hashes.get(join(root, name))}, the manifest says ${sha256}`,
  )
  return [{ name: 'checksums', result: `${artifacts.length} of ${artifacts.length} artifacts, ${manifest.bytes} bytes` }]

  function fail(wrong: Artifact[], describe: (artifact: Artifact) => string): void {
    if (wrong.length) throw damaged(root, wrong.map(describe))
  }

  function refuse(error: unknown): never {
    throw signal?.aborted || !(error instanceof Unreadable) ? error : damaged(root, [messageOf(error)], error)
  }
}

/** Read by us: a process of its own costs more than a file of this size, in bytes. */
const SMALL = 64 * 1024

/** A file that should be there and cannot be read: foreseen, unlike a host that cannot be reached. */
class Unreadable extends HoldfastError {
  override name = 'Unreadable'
}

async function sizesOf(host: Host, root: string, names: readonly string[]): Promise<Map<string, number>> {
  const entries = await Promise.all(names.map(name => host.stat(join(root, name), { follow: false })))
  const missing = names.filter((_, place) => entries[place]?.type !== 'file')
  if (missing.length) throw new Unreadable(`${some(missing)} missing, or no regular file, in ${root}`)
  return new Map(names.map((name, place) => [join(root, name), entries[place]?.size ?? 0]))
}

async function hashesOf(host: Host, sizes: Map<string, number>, signal: AbortSignal | undefined): Promise<Map<string, string>> {
  const paths = [...sizes.keys()]
  const small = paths.filter(path => (sizes.get(path) ?? 0) <= SMALL)
  const hashes = new Map(await Promise.all(small.map(path => hashSmall(host, path))))
  const large = paths.filter(path => !hashes.has(path))
  for (const batch of argumentBatches(large.filter(isPlain)))
    await hashLarge(host, await sha256Command(host), batch, hashes, signal)
  for (const batch of argumentBatches(large.filter(path => !isPlain(path)))) await hashLarge(host, exact, batch, hashes, signal)
  return hashes
}

/** Escapes names so that every one can be read back; the quicker one does not. */
const exact: Argv = ['sha256sum', '-b']

function isPlain(path: string): boolean {
  return !/[\\\n\r]/.test(path)
}

async function hashLarge(
  host: Host,
  command: Argv,
  batch: string[],
  hashes: Map<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { stdout, stderr } = await host.run([...command, ...batch], { okCodes: [0, 1], ...(signal && { signal }) })
  for (const [path, hash] of parseChecksums(stdout)) hashes.set(path, hash)
  const unread = batch.filter(path => !hashes.has(path))
  if (unread.length) throw new Unreadable(`${some(unread)} cannot be read: ${stderr.trim().split('\n').slice(-5).join('\n')}`)
}

async function hashSmall(host: Host, path: string): Promise<[path: string, sha256: string]> {
  try {
    return [
      path,
      createHash('sha256')
        .update(await host.read(path))
        .digest('hex'),
    ]
  } catch (error) {
    throw new Unreadable(messageOf(error), { cause: error })
  }
}

/** What `sha256sum` prints, and OpenSSL for plain names, as path and hash. A line that begins with a backslash has its name escaped. */
export function parseChecksums(text: string): [path: string, sha256: string][] {
  const lines = text.split('\n').filter(line => line !== '')
  return lines.map(line => {
    const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/.exec(line)
    if (!match?.[2] || !match[3])
      throw new HoldfastError(`sha256sum printed what is no checksum: ${JSON.stringify(line.slice(0, 200))}`)
    return [match[1] ? unescapeName(match[3]) : match[3], match[2]]
  })
}

function unescapeName(name: string): string {
  return name.replace(/\\([\\nr])/g, (_, letter: string) => (letter === 'n' ? '\n' : letter === 'r' ? '\r' : '\\'))
}

function known<T>(values: Map<string, T>, root: string, name: string): T {
  const value = values.get(join(root, name))
  if (value === undefined) throw new Unreadable(`${name} missing in ${root}`)
  return value
}

function damaged(root: string, problems: string[], cause?: unknown): VerificationFailed {
  return new VerificationFailed(`${root} is not what its manifest says: ${some(problems)}`, {
    cause,
    hint: 'This copy is damaged. Restore from another one: `holdfast list` shows where the copies are.',
  })
}

function some(items: string[]): string {
  return items.length > 5 ? `${items.slice(0, 5).join('; ')} and ${items.length - 5} more` : items.join('; ')
}

function nameOf({ name }: Artifact): string {
  return name
}
