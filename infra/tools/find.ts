/** Looks for paths and patterns on a host, with names of any bytes. */
import type { Host, Output } from '../hosts/host.ts'
import { byteName, nullSeparated, splitNull, textOf } from './byte-names.ts'
import { findPattern, isPattern } from './glob.ts'
import { together } from './together.ts'

/** What xargs says where a command it ran failed. */
const SOME_FAILED = 123

/** What stands at a path, itself and not what it links to. */
export interface Found {
  /** Byte name of the absolute path. */
  path: string
  /** As `find -printf %y` says: f, d, l, s, p, b, c. */
  type: string
  readable: boolean
}

export interface Search {
  /** The path or pattern that was looked for. */
  pattern: string
  found: Found[]
  /** What find said where something could not be looked at. */
  problems: string[]
}

// A link is readable whatever it points to.
const report = ['(', '(', '-type', 'l', '-o', '-readable', ')', '-printf', 'r', '-o', '-printf', '-', ')', '-printf', '%y%p\\0']

/** Looks for each of the normalised absolute paths and patterns. */
export function searchAll(host: Host, patterns: readonly string[], signal: AbortSignal): Promise<Search[]> {
  return together(patterns.map(async pattern => (await look(host, pattern)) ?? search(host, pattern, signal)))
}

/** What the host itself can tell of a path, without a program: undefined where that is not enough. */
async function look(host: Host, path: string): Promise<Search | undefined> {
  if (isPattern(path)) return undefined
  const [at, readable] = await Promise.allSettled([host.stat(path, { follow: false }), host.readable(path)])
  if (at.status === 'rejected' || readable.status === 'rejected') return undefined
  if (!at.value) return { pattern: path, found: [], problems: ['No such file or directory'] }
  const type = letters[at.value.type]
  if (type === undefined) return undefined
  return { pattern: path, found: [{ path: byteName(path), type, readable: type === 'l' || readable.value }], problems: [] }
}

/** As find calls them. Of the others it says more. */
const letters = { file: 'f', directory: 'd', link: 'l', other: undefined }

async function search(host: Host, pattern: string, signal: AbortSignal): Promise<Search> {
  const { bytes, stderr } = await find(host, isPattern(pattern) ? wild(pattern) : [pattern, '-maxdepth', '0', ...report], signal)
  return { pattern, found: splitNull(bytes).map(entry), problems: stderr.split('\n').filter(line => line.startsWith('find: ')) }
}

function wild(pattern: string): string[] {
  const { base, options, matches, hopeless } = findPattern(pattern)
  return ['-H', base, ...options, '(', ...matches, ...report, '-prune', ')', '-o', '(', ...hopeless, '-prune', ')']
}

/** Exit code 1: something could not be looked at, or is not there. */
function find(host: Host, rest: string[], signal: AbortSignal): Promise<Output> {
  return host.run(['find', ...rest], { okCodes: [0, 1], env: { LC_ALL: 'C' }, signal })
}

function entry(text: string): Found {
  return { path: text.slice(2), type: text.slice(1, 2), readable: text.startsWith('r') }
}

/** The paths without those that lie below another one of them, in byte order. */
export function outermost(paths: readonly string[]): string[] {
  const all = new Set(paths)
  return [...all].filter(path => !below(all, path)).sort((a, b) => (a < b ? -1 : 1))
}

function below(all: ReadonlySet<string>, path: string): boolean {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    if (all.has(path.slice(0, end))) return true
  return false
}

/** Where paths really are, every link resolved, whether they exist or not. Byte names in and out. */
export async function realPaths(host: Host, paths: readonly string[], signal: AbortSignal): Promise<string[]> {
  if (await areReal(host, paths)) return [...paths]
  const { bytes } = await host.run(['xargs', '-0', 'realpath', '-z', '-m', '--'], { input: nullSeparated(paths), signal })
  return splitNull(bytes)
}

/** Looks of our own up to this many cost less than a program. */
const MOST_LOOKS = 64

/** Whether none of the paths has a link in it, or a detour. Where that cannot be told, a program has to say. */
async function areReal(host: Host, paths: readonly string[]): Promise<boolean> {
  const texts = paths.flatMap(path => textOf(path) ?? [])
  if (texts.length < paths.length || texts.some(hasDetour)) return false
  const steps = [...new Set(texts.flatMap(onTheWay))]
  if (steps.length > MOST_LOOKS) return false
  const looks = await Promise.allSettled(steps.map(step => host.stat(step, { follow: false })))
  return looks.every(look => look.status === 'fulfilled' && look.value?.type !== 'link')
}

function hasDetour(path: string): boolean {
  return path !== normalised(path) || path.split('/').includes('..')
}

/** `/a/b` → `/a`, `/a/b` */
function onTheWay(path: string): string[] {
  return path.split('/').flatMap((_, index, parts) => (index === 0 ? [] : [parts.slice(0, index + 1).join('/')]))
}

/** The mount point each path lies on, byte name to byte name. Paths that are not there are left out. */
export async function mountPoints(host: Host, paths: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
  const argv = ['xargs', '-0', 'stat', '--printf=%m\\0%n\\0', '--'] as const
  const { bytes } = await host.run(argv, { input: nullSeparated(paths), okCodes: [0, SOME_FAILED], env: { LC_ALL: 'C' }, signal })
  const texts = splitNull(bytes)
  return new Map(texts.flatMap((text, index) => (index % 2 ? [[text, texts[index - 1] ?? ''] as const] : [])))
}

/** Every mount point of the host, as byte names: bind mounts too, which `stat` does not tell from their directory. */
export async function allMountPoints(host: Host): Promise<string[]> {
  const table = await host.readIfThere('/proc/self/mountinfo')
  const lines = Buffer.from(table ?? [])
    .toString('latin1')
    .split('\n')
  return lines.flatMap(line => {
    const point = line.split(' ')[4]
    return point === undefined
      ? []
      : [point.replaceAll(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)))]
  })
}

/** A path (text) without empty and `.` parts. */
export function normalised(path: string): string {
  return `/${path
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/')}`
}
