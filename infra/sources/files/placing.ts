/** Where restored files go, and beside what they are unpacked. */
import { basename, dirname, join } from 'node:path'
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { byteName, printable, textOf } from '../../tools/byte-names.ts'
import { allMountPoints, mountPoints, normalised, outermost, realPaths } from '../../tools/find.ts'

export interface Place {
  /** Its path below the directory the archive is unpacked in. */
  member: string
  target: string
}

/** Places on one mount: an archive unpacked beside one of them can be renamed to all of them. */
export interface Neighbours {
  stage: string
  places: Place[]
}

/** One place for each of the archived paths (byte names), at its origin or at the same path below `to`. */
export function placesOf(roots: readonly string[], to: string | undefined): Place[] {
  const members = roots.map(root => (to === undefined ? textOf(root) : textAbove(root)) ?? unnameable(root))
  return outermost(members.map(byteName)).flatMap(name => {
    const member = textOf(name)
    return member === undefined ? [] : [{ member, target: to === undefined ? member : join(to, member) }]
  })
}

/** The directory named by `--to`. */
export async function destination(host: Host, to: string): Promise<string> {
  if (to.split('/').includes('..'))
    throw new InvalidInput(`files: ${JSON.stringify(to)} contains ..`, { hint: 'Name the directory itself.' })
  return normalised(await host.resolve(to))
}

/** Makes parents that went missing, and sorts the places by the mount they lie on. */
export async function neighbours(
  host: Host,
  places: readonly Place[],
  token: string,
  signal: AbortSignal,
): Promise<Neighbours[]> {
  const parents = [...new Set(places.map(({ target }) => dirname(target)))]
  for (const parent of parents) if (!(await host.stat(parent))) await host.makeDirectory(parent, { mode: 0o755 })
  const mounts = await mountPoints(host, [...parents, ...places.map(({ target }) => target)].map(byteName), signal)
  const mounted = await allMountPoints(host)
  const real = await realPaths(host, parents.map(byteName), signal)
  const realParents = new Map(parents.map((parent, index) => [parent, real[index] ?? byteName(parent)] as const))
  const groups = new Map<string, Place[]>()
  for (const place of places) {
    refuseMountPoint(place, mounts)
    refuseMountBelow(place, realParents.get(dirname(place.target)) ?? '', mounted)
    const mount = mounts.get(byteName(dirname(place.target))) ?? ''
    groups.set(mount, [...(groups.get(mount) ?? []), place])
  }
  return [...groups.values()].flatMap(group => {
    const [first] = group
    return first ? [{ stage: join(dirname(first.target), `.holdfast-${token}`), places: group }] : []
  })
}

function refuseMountPoint({ target }: Place, mounts: ReadonlyMap<string, string>): void {
  if (mounts.get(byteName(target)) !== byteName(target)) return
  throw new InvalidInput(`files: ${target} is a mount point: it cannot be moved aside to make room for what is restored`, {
    hint: 'Restore to another directory (--to) and copy from there.',
  })
}

/** Moved aside with the directory above it, a mounted file system would be taken for the old data, and be removed as such. */
function refuseMountBelow({ target }: Place, parent: string, mounted: readonly string[]): void {
  const moved = join(parent, byteName(basename(target)))
  const inside = mounted.find(point => point === moved || point.startsWith(`${moved}/`))
  if (inside === undefined) return
  throw new InvalidInput(`files: ${printable(inside)} is mounted at or below ${target}: it would be moved aside with it`, {
    hint: 'Unmount it first, or restore to another directory (--to) and copy from there.',
  })
}

/** The path itself or what is nearest above it and can be named. */
function textAbove(root: string): string | undefined {
  if (root === '/') return undefined
  return textOf(root) ?? textAbove(dirname(root))
}

function unnameable(root: string): never {
  throw new InvalidInput(`files: ${printable(root)} cannot be put back under its name, which is not UTF-8`, {
    hint: 'Restore to another directory (--to), or by hand as RESTORE.md says.',
  })
}
