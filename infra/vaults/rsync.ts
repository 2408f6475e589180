/** Copies in plain directories of this machine, brought there by rsync: only what changed since the last copy travels. */
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { cleanUnfinished, removeBackup } from '../backups.ts'
import { HoldfastError, InvalidInput, VerificationFailed } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { type Backup, byAge, readInventory } from '../inventory.ts'
import { backupDirectory, FAILED, HOLD, MANIFEST, REPORT, VERIFIED } from '../layout.ts'
import type { Copy, Manifest } from '../manifest.ts'
import { checkArtifacts } from '../tools/checksums.ts'
import { makeBelow, makeOne } from '../tools/disk.ts'
import { MARKER, openVault, prepareVault } from '../tools/marker.ts'
import { installationOf, isLabel, requireOwner, safeLabel } from '../tools/owner.ts'
import { cleanPartials, manifestBytes, transfer } from '../tools/transfer.ts'
import { defineVault, type GetWork, type ListFilter, type PutWork, type Vault } from './vault.ts'

const Options = z.strictObject({
  path: z
    .string('expected a directory')
    .regex(/^(\/|~\/|\.{1,2}\/)/, 'expected a path that begins with /, ~/ or ./')
    .describe(
      'Directory that keeps the copies, best on another disk or a mounted NAS. It may be new; the one around it has to be there.',
    ),
})
type Options = z.infer<typeof Options>

/** `<path>/<host label>/<day>/<source>-<HHMMSS>Z/`: docs/vault-format.md. */
export const rsync = defineVault<Options>({
  kind: 'rsync',
  summary: 'A directory on another disk or a mounted NAS; only what changed since the last copy travels.',
  options: Options,
  // Machines reached by SSH or a daemon belong here: `host` is then another one, and put and get have two hosts to deal with.
  open: (name, { path }, hosts) => openDirectory({ name, path, host: hosts('local') }),
})

interface Place {
  name: string
  path: string
  host: Host
}

function openDirectory(place: Place): Vault {
  const { name, path, host } = place
  return {
    name,
    host,
    put: work => put(place, work),
    list: filter => list(place, filter),
    get: (backup, work) => get(backup, work),
    async check(backup, signal) {
      await requireOurs(place, backup)
      await manifestBytes(host, backup.directory, backup.manifest)
      await checkArtifacts(host, backup.directory, backup.manifest, signal)
    },
    async remove(backup, installation) {
      await requireOurs(place, backup)
      if (installation) await requireOwner(host, dirname(dirname(backup.directory)), installation)
      await removeBackup(host, backup.directory)
    },
    async sweep({ source, label, installation }) {
      const root = await host.resolve(path)
      await openVault(host, root)
      if (installation) await requireOwner(host, join(root, label), installation)
      await cleanUnfinished(host, join(root, label), { source, state: 'removing' })
    },
    annotate: (backup, document, content) => annotate(place, backup, document, content),
    async space() {
      const root = await host.resolve(path)
      await openVault(host, root)
      return host.space(root)
    },
  }
}

async function put({ name, path, host }: Place, work: PutWork): Promise<Copy> {
  const { manifest, signal } = work
  const root = await host.resolve(path)
  const to = backupDirectory(join(root, safeLabel(manifest)), manifest)
  await prepareVault(host, root, () => rememberedCopy(work, name, root))
  try {
    await makeBelow(host, root, [safeLabel(manifest)])
    await requireOwner(host, join(root, safeLabel(manifest)), await installationOf(work.host, rootOf(work)))
    if (!(await alreadyThere(host, to, work))) await bring(host, root, to, work)
    await cleanPartials(host, to)
    return await copyAt(host, to, name, manifest)
  } catch (error) {
    if (signal.aborted || (await isThere(host, join(root, MARKER)))) throw error
    throw new HoldfastError(`${root} vanished while ${manifest.id} was copied to it`, {
      cause: error,
      hint: 'Mount or plug in what belongs there; the copy then goes on where it stopped.',
    })
  }
}

async function bring(host: Host, root: string, to: string, work: PutWork): Promise<void> {
  const { directory: from, manifest, fence, signal, progress } = work
  await makeBelow(host, root, [safeLabel(manifest), manifest.day])
  try {
    await transfer({ host, from, to, manifest, fence, basis: () => newest(host, root, manifest), signal, progress })
  } catch (error) {
    // Another writer of the same backup may have been quicker.
    if (signal.aborted || !(await alreadyThere(host, to, work))) throw error
  }
}

async function list({ path, host }: Place, { source, label, unreadable }: ListFilter = {}): Promise<Backup[]> {
  const root = await host.resolve(path)
  await openVault(host, root)
  const labels = (await host.list(root)).filter(
    ({ name, type }) => type === 'directory' && isLabel(name) && name !== 'lost+found',
  )
  const backups: Backup[] = []
  for (const { name } of labels.filter(found => label === undefined || found.name === label)) {
    const inventory = await readInventory(host, join(root, name), source === undefined ? {} : { source })
    backups.push(...inventory.backups)
    for (const broken of inventory.unreadable) unreadable?.(broken)
  }
  return backups.sort(byAge)
}

async function get({ directory: from, manifest }: Backup, { host, directory, signal, progress }: GetWork): Promise<void> {
  const to = await host.resolve(directory)
  if (await host.stat(to)) throw new InvalidInput(`${to} is there already`, { hint: 'Fetch to a directory that does not exist.' })
  await host.makeDirectory(dirname(to))
  await transfer({ host, from, to, manifest, fence: randomBytes(4).toString('hex'), signal, progress })
}

async function annotate(place: Place, backup: Backup, name: string, content: string | Uint8Array | undefined): Promise<void> {
  const { host } = place
  await requireOurs(place, backup)
  const drill = /^drills\/[^/.][^/]*$/.test(name)
  if (!drill && ![VERIFIED, FAILED, HOLD, REPORT].includes(name))
    throw new InvalidInput(`${name} is no document that is learned later`)
  if (content === undefined) return host.remove(join(backup.directory, name))
  await manifestBytes(host, backup.directory, backup.manifest)
  if (drill) await makeOne(host, join(backup.directory, 'drills'))
  await host.write(join(backup.directory, name), content)
}

/** A backup of another place must not be removed or written to by mistake. */
async function requireOurs({ name, path, host }: Place, { directory }: Backup): Promise<void> {
  const root = await host.resolve(path)
  await openVault(host, root)
  if (!directory.startsWith(`${root.replace(/\/+$/, '')}/`))
    throw new InvalidInput(`${directory} does not lie in vault ${name} at ${root}`)
}

/** Whether the very backup is there, looked at cheaply; throws where something else bears its name. */
async function alreadyThere(host: Host, to: string, { host: source, directory, manifest }: PutWork): Promise<boolean> {
  if (!(await host.stat(to))) return false
  const bytes = await host.readIfThere(join(to, MANIFEST))
  const same = bytes && Buffer.from(bytes).equals(await manifestBytes(source, directory, manifest))
  if (!same) {
    throw new VerificationFailed(`${to} is there already, ${bytes ? 'with another manifest' : 'without a manifest'}`, {
      hint: 'Two installations may use one label, or somebody edited the copy. Find out which, and move it away.',
    })
  }
  for (const { name, bytes: expected } of manifest.artifacts) {
    const found = await host.stat(join(to, name))
    if (found?.type === 'file' && found.size === expected) continue
    throw new VerificationFailed(`${join(to, name)} has ${found?.size ?? 'no'} bytes, the manifest says ${expected}`, {
      hint: `This copy was damaged after it was made. Move ${to} away, and it is copied again.`,
    })
  }
  return true
}

/** The copy as it stands: a second `put` says the same as the first. */
async function copyAt(host: Host, directory: string, vault: string, { bytes }: Manifest): Promise<Copy> {
  const written = await host.stat(join(directory, MANIFEST))
  if (!written) throw new HoldfastError(`${directory} was gone as soon as it was copied`)
  return { vault, at: written.modified.toISOString(), directory, bytes }
}

async function newest(host: Host, root: string, { source, host: { label } }: Manifest): Promise<Backup | undefined> {
  return (await readInventory(host, join(root, label), { source })).backups.at(-1)
}

/** A file system that lost its server or its plug answers with errors. The caller throws what it met itself. */
async function isThere(host: Host, path: string): Promise<boolean> {
  return host.stat(path).then(
    found => found !== undefined,
    () => false,
  )
}

/** A copy that any backup in the same root has below this very directory, by its `copies.json`. */
async function rememberedCopy({ host, directory }: PutWork, vault: string, root: string): Promise<string | undefined> {
  const { backups } = await readInventory(host, rootOf({ directory }))
  const copies = backups.flatMap(backup => backup.copies)
  return copies.find(copy => copy.vault === vault && copy.directory.startsWith(`${root}/`))?.directory
}

/** The root of the host that a backup's directory lies in. */
function rootOf({ directory }: Pick<PutWork, 'directory'>): string {
  return dirname(dirname(directory))
}
