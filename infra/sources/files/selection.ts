/** From the options to what is there: which paths go into the archive, which patterns stay out. */
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { printable } from '../../tools/byte-names.ts'
import { type Found, outermost, type Search, searchAll } from '../../tools/find.ts'
import type { Selection } from '../../tools/tar.ts'
import { checkLeftOver, excludes, ownPlaces, resolved, type SelectionWork } from './exclusion.ts'

export interface FilesSelection extends Selection {
  /** Paths that are symbolic links: only the link itself is kept. */
  links: string[]
}

/** What to archive now. `own`: directories of backups, which never go into one. */
export async function selectFiles(work: SelectionWork, own: readonly string[]): Promise<FilesSelection> {
  const { host, options, signal } = work
  const found = [...(await present(work, options.paths, true)), ...(await present(work, options.optional, false))]
  for (const one of found) refuse(host, one)
  const roots = outermost(found.map(({ path }) => path))
  const kept = new Set(roots)
  const links = found.filter(({ path, type }) => type === 'l' && kept.has(path)).map(({ path }) => path)
  const walked = roots.filter(root => !links.includes(root))
  const exclude = [...(await excludes(host, options.exclude)), ...(await ownPlaces(host, walked, own, signal))]
  const selection = { roots, exclude, links }
  await checkLeftOver(work, selection)
  return selection
}

async function present({ host, signal }: SelectionWork, patterns: readonly string[], needed: boolean): Promise<Found[]> {
  const searches = await searchAll(host, await resolved(host, patterns), signal)
  const lacking = searches.filter(({ found }) => found.length === 0)
  if (needed && lacking.length > 0) throw notThere(host, lacking)
  return searches.flatMap(({ found }) => found)
}

function notThere(host: Host, lacking: readonly Search[]): InvalidInput {
  const reasons = lacking.map(
    ({ pattern, problems: [first] }) => `${pattern} (${first?.replace(/^.*: /, '') ?? 'nothing matches'})`,
  )
  return new InvalidInput(`files: not there on ${host.name}: ${reasons.join(', ')}`, {
    hint: 'Correct `paths`, or move what may be absent to `optional`.',
  })
}

function refuse(host: Host, { path, type, readable }: Found): void {
  if (type === 's') {
    throw new InvalidInput(`files: ${printable(path)} on ${host.name} is a socket, which cannot be kept`, {
      hint: 'Remove it from `paths`: the program that listens there makes it anew.',
    })
  }
  if (readable) return
  throw new InvalidInput(`files: ${printable(path)} on ${host.name} cannot be read`, {
    hint: 'Give the user that runs Holdfast there the right to read it, or log in as one that has it.',
  })
}
