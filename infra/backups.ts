/** What is done to a backup's directory after its manifest stands. Functions, vaults and the command line all use these. */
import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import { readDocument } from './documents.ts'
import type { Host } from './hosts/host.ts'
import { COPIES, FAILED, HOLD, sourceOfDirectory, unfinished, VERIFIED } from './layout.ts'
import { Copies, type Copy, Failed, Hold, Verified } from './manifest.ts'

/** See `Host.write`. */
export interface Noting {
  lasting?: boolean
}

const schemas = { [VERIFIED]: Verified, [FAILED]: Failed, [COPIES]: Copies, [HOLD]: Hold }
type Schemas = typeof schemas

/** Writes a document that is learned later beside the manifest, whole or not at all. */
export async function writeDocument<Name extends keyof Schemas>(
  host: Host,
  directory: string,
  name: Name,
  data: z.infer<Schemas[Name]>,
  noting: Noting = {},
): Promise<void> {
  await host.write(join(directory, name), documentText(name, data), noting)
}

/** The text of such a document, as a vault's `annotate` takes it. */
export function documentText<Name extends keyof Schemas>(name: Name, data: z.infer<Schemas[Name]>): string {
  return `${JSON.stringify(schemas[name].parse(data), undefined, 2)}\n`
}

/** Keeps prune away from a backup, whatever its retention says. */
export async function hold(host: Host, directory: string, why: Hold): Promise<void> {
  await writeDocument(host, directory, HOLD, why)
}

/** Gives a backup back to its retention. */
export async function unhold(host: Host, directory: string): Promise<void> {
  await host.remove(join(directory, HOLD))
}

/** Notes vaults' copies in `copies.json`; a later note of the same vault takes the earlier one's place. One writer at a time. */
export async function addCopies(host: Host, directory: string, copies: readonly Copy[], noting: Noting = {}): Promise<void> {
  if (copies.length === 0) return
  const known = (await readDocument(host, join(directory, COPIES), Copies))?.copies ?? []
  const others = known.filter(({ vault }) => !copies.some(copy => copy.vault === vault))
  await writeDocument(host, directory, COPIES, { copies: [...others, ...copies] }, noting)
}

/** Takes a backup away: it is none from the first moment on. What an earlier try left of it goes too; what is not there is fine. */
export async function removeBackup(host: Host, directory: string): Promise<void> {
  const day = dirname(directory)
  if (await host.stat(directory))
    await host.rename(directory, join(day, `.${basename(directory)}.removing-${randomBytes(4).toString('hex')}`))
  await cleanDay(host, day, ({ of, state }) => of === basename(directory) && state === 'removing')
  await removeEmptyDay(host, day)
}

/** Ends removals that were cut off: these directories, as an inventory names them. */
export async function endRemovals(host: Host, directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    await host.remove(directory)
    await removeEmptyDay(host, dirname(directory))
  }
}

export interface Unfinished {
  source: string
  /** Of this backup alone: its directory's name, `zeus-020000Z`, and its day. Without it, of every backup of the source. */
  backup?: { day: string; name: string }
  /** Fences of writers that may still be at work. */
  except?: readonly (string | number)[]
  /** Only what is being taken away: nobody works on that. */
  state?: 'removing'
}

/** Removes the unfinished work on a source's backups below a root, and returns the directories that it removed. */
export async function cleanUnfinished(
  host: Host,
  root: string,
  { source, backup, except = [], state }: Unfinished,
): Promise<string[]> {
  const spared = except.map(fence => `.partial-${fence}`)
  const days = (await host.list(root)).filter(({ name, type }) => type === 'directory' && /^\d{4}-\d{2}-\d{2}$/.test(name))
  const chosen = (leftover: Leftover, name: string) =>
    (backup ? leftover.of === backup.name : sourceOfDirectory(leftover.of) === source) &&
    (state ?? leftover.state) === leftover.state &&
    !spared.some(end => name.endsWith(end))
  const removed: string[] = []
  for (const { name: day } of days.filter(({ name }) => !backup || name === backup.day)) {
    const gone = await cleanDay(host, join(root, day), chosen)
    if (gone.length) await removeEmptyDay(host, join(root, day))
    removed.push(...gone)
  }
  return removed
}

type Leftover = NonNullable<ReturnType<typeof unfinished>>

async function cleanDay(host: Host, day: string, chosen: (leftover: Leftover, name: string) => boolean): Promise<string[]> {
  const removed: string[] = []
  for (const { name } of await host.list(day)) {
    const leftover = unfinished(name)
    if (!leftover || !chosen(leftover, name)) continue
    await host.remove(join(day, name))
    removed.push(join(day, name))
  }
  return removed
}

/** A day directory is made by whoever needs it, so that one may come into being in the meantime: then it stays. */
async function removeEmptyDay(host: Host, day: string): Promise<void> {
  if ((await host.list(day)).length || !(await host.stat(day))) return
  await host.run(['rmdir', '--ignore-fail-on-non-empty', '--', await host.resolve(day)])
}
