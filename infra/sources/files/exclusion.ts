/** What stays out of an archive: what was asked for, and where backups are kept. And whether too much does. */
import { dirname } from 'node:path'
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { byteName, parsePrintable, printable, textOf } from '../../tools/byte-names.ts'
import { normalised, outermost, realPaths, type Search, searchAll } from '../../tools/find.ts'
import { literally, memberName, memberNames, type Selection, select } from '../../tools/tar.ts'
import type { FilesOptions } from './options.ts'

export interface SelectionWork {
  host: Host
  options: FilesOptions
  signal: AbortSignal
}

/** Normalised absolute paths and patterns. */
export function resolved(host: Host, patterns: readonly string[]): Promise<string[]> {
  return Promise.all(patterns.map(async pattern => normalised(await host.resolve(pattern))))
}

/** The configured patterns as tar takes them. */
export async function excludes(host: Host, patterns: readonly string[]): Promise<string[]> {
  const full = patterns.map(pattern => (pattern.startsWith('~/') ? host.resolve(pattern) : pattern))
  // tar never matches a pattern that ends in a slash.
  return (await Promise.all(full)).map(pattern => pattern.replace(/(?<=[^/])\/+$/, ''))
}

/** A backup must not contain itself, also where its place is reached by another name. */
export async function ownPlaces(
  host: Host,
  roots: readonly string[],
  own: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const real = await realPaths(host, [...own.map(byteName), ...roots], signal)
  const places = outermost(real.slice(0, own.length))
  return roots.flatMap((root, index) => {
    const at = real[own.length + index] ?? root
    const around = places.find(place => at === place || at.startsWith(`${place}/`))
    if (around === undefined)
      return places.filter(place => place.startsWith(`${at}/`)).map(place => exactly(root + place.slice(at.length)))
    throw new InvalidInput(`files: ${printable(root)} lies in ${printable(around)} on ${host.name}, where backups are kept`, {
      hint: 'A backup cannot contain itself. Remove it from `paths`, or keep backups elsewhere.',
    })
  })
}

function exactly(path: string): string {
  const text = textOf(path)
  if (text !== undefined) return literally(text)
  throw new InvalidInput(`files: backups are kept below ${printable(path)}, whose name is not UTF-8`, {
    hint: 'Rename that directory.',
  })
}

/** Asks tar itself, which alone knows its patterns, whether an exclude takes away a whole path or all of what is required. */
export async function checkLeftOver(work: SelectionWork, selection: Selection): Promise<void> {
  const { host, options, signal } = work
  if (selection.exclude.length === 0 && options.require.length === 0) return
  const required = await searchAll(host, await resolved(host, options.require), signal)
  const roots = new Set(selection.roots)
  const chains = new Map(required.flatMap(({ found }) => found.map(({ path }) => [path, chain(path, roots)] as const)))
  const kept = await leftOver(work, selection, [...new Set([...roots, ...[...chains.values()].flat()])])
  refuseLost(selection.roots.filter(root => !kept.has(memberName(root))))
  const isKept = (links: readonly string[] = []) => links.length > 0 && links.every(link => kept.has(memberName(link)))
  refuseLacking(required.filter(({ found }) => !found.some(({ path }) => isKept(chains.get(path)))))
}

/** The path and all above it up to the root that it lies below; nothing where it lies below none. */
function chain(path: string, roots: ReadonlySet<string>): string[] {
  if (roots.has(path)) return [path]
  const above = path === '/' ? [] : chain(dirname(path), roots)
  return above.length > 0 ? [path, ...above] : []
}

/** Names of those members that the excludes do not match. */
async function leftOver({ host, signal }: SelectionWork, selection: Selection, paths: string[]): Promise<Set<string>> {
  const [output] = await host.pipe([select(selection)], { input: memberNames(paths), signal })
  return new Set(output?.stdout.split('\n').map(line => parsePrintable(line).replace(/\/$/, '')))
}

function refuseLost(roots: readonly string[]): void {
  if (roots.length === 0) return
  throw new InvalidInput(`files: \`exclude\` leaves out the whole of ${roots.map(printable).join(', ')}`, {
    hint: 'Make the pattern narrower (begin it with / to anchor it), or remove the path.',
  })
}

function refuseLacking(required: readonly Search[]): void {
  if (required.length === 0) return
  throw new InvalidInput(
    `files: required, but not there or not protected: ${required.map(({ pattern }) => pattern).join(', ')}`,
    {
      hint: 'Look whether the data is where it should be (mounted?), and whether `paths` and `exclude` cover it.',
    },
  )
}
