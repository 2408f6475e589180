/**
 * Lets another user read files of ours for a while, by access lists, and takes that back: owners and modes are then what they were.
 * What was there before is noted first, so that it is found again after a kill.
 */
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CommandFailed, HoldfastError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'

export interface Reader {
  host: Host
  /** Who is let in: `64055:64055`. */
  owner: string
  /** A directory that holds the notes of all who let somebody in. */
  notes: string
  /** Unique to this reading. */
  token: string
}

/** Path to its access list before. */
const Note = z.record(z.string(), z.string())
type Note = z.infer<typeof Note>

/** Absolute paths without links. Directories that have to stay passable are named in `passed`. May be called again. */
export async function letRead(reader: Reader, files: readonly string[], passed: readonly string[] = []): Promise<void> {
  const { host, notes } = reader
  const directories = [...new Set([...files, ...passed.map(path => join(path, 'x'))].flatMap(above))]
  const others = await othersOf(reader)
  const wanted = [...directories.map(path => ({ path, right: 'x' })), ...files.map(path => ({ path, right: 'r' }))]
  const known = (await noteOf(reader)) ?? {}
  const missing = await select(wanted, async ({ path, right }) => path in others || !(await may(reader, path, right)))
  const before = await Promise.all(missing.map(async ({ path }) => [path, others[path] ?? (await listOf(host, path))] as const))
  await host.makeDirectory(notes)
  await host.write(noteFile(reader), JSON.stringify({ ...Object.fromEntries(before), ...known }))
  for (const { path, right } of missing) await change(host, path, ['-m', `u:${userOf(reader)}:${right}`])
  const [refused] = await select(wanted, async ({ path, right }) => !(await may(reader, path, right)))
  if (refused) throw unreadable(reader, refused.path)
}

/** Once nobody else lets the same user in, each list is what it was before the first one did. What is gone is fine. */
export async function letGo(reader: Pick<Reader, 'host' | 'notes' | 'token'>): Promise<void> {
  const { host } = reader
  const note = await noteOf(reader)
  if (!note) return
  const others = await othersOf(reader)
  const ours = Object.entries(note).filter(([path]) => !(path in others))
  // The innermost first: a directory that is closed hides what lies in it from nobody but the reader.
  for (const [path, list] of ours.toSorted(([a], [b]) => b.length - a.length))
    if (await host.stat(path)) await change(host, path, ['--set-file=-'], list)
  await host.remove(noteFile(reader))
}

function userOf({ owner }: Pick<Reader, 'owner'>): string {
  return owner.split(':')[0] ?? owner
}

/** Every directory above a path, the outermost first. */
function above(path: string): string[] {
  const outer = dirname(path)
  return outer === path ? [] : [...above(outer), outer]
}

async function may(reader: Reader, path: string, right: string): Promise<boolean> {
  const [user = '', group = ''] = reader.owner.split(':')
  const argv = ['setpriv', '--reuid', user, '--regid', group, '--clear-groups', 'test', `-${right}`, path] as const
  return (await reader.host.run(argv, { okCodes: [0, 1] })).exitCode === 0
}

async function listOf(host: Host, path: string): Promise<string> {
  return (await run(host, ['getfacl', '--omit-header', '--absolute-names', '--numeric', '--', path])).stdout
}

async function change(host: Host, path: string, how: readonly string[], input?: string): Promise<void> {
  await run(host, ['setfacl', ...how, '--', path], input)
}

async function run(host: Host, argv: readonly [string, ...string[]], input?: string) {
  try {
    return await host.run(argv, input === undefined ? {} : { input })
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    const absent = error.outcome.exitCode === 127
    const hint = absent
      ? 'Install it: apt-get install acl'
      : 'QEMU works as another user, who has to read the backup. Keep it on a file system with access lists, such as ext4 or xfs.'
    throw new HoldfastError(error.message, { cause: error, retryable: false, hint })
  }
}

async function noteOf({ host, notes, token }: Pick<Reader, 'host' | 'notes' | 'token'>): Promise<Note | undefined> {
  const bytes = await host.readIfThere(join(notes, `${token}.json`))
  return bytes && Note.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
}

/** What all others have let somebody into. */
async function othersOf({ host, notes, token }: Pick<Reader, 'host' | 'notes' | 'token'>): Promise<Note> {
  const names = (await host.list(notes)).map(({ name }) => /^(.+)\.json$/.exec(name)?.[1])
  const found = await Promise.all(
    names.map(name => (name !== undefined && name !== token ? noteOf({ host, notes, token: name }) : undefined)),
  )
  return Object.assign({}, ...found)
}

function noteFile({ notes, token }: Pick<Reader, 'notes' | 'token'>): string {
  return join(notes, `${token}.json`)
}

function unreadable(reader: Reader, path: string): HoldfastError {
  return new HoldfastError(`${path} cannot be read by user ${userOf(reader)}, as whom QEMU works`, {
    retryable: false,
    hint: 'Let that user read it and pass the directories above it, or keep the backup on a file system with access lists.',
  })
}

async function select<Item>(items: readonly Item[], wanted: (item: Item) => Promise<boolean>): Promise<Item[]> {
  const answers = await Promise.all(items.map(wanted))
  return items.filter((_, index) => answers[index])
}
