/** Finds a backup by its id in every place that may have it, nearest first. Needs no configuration and no bus. */
import { dirname, join } from 'node:path'
import { HoldfastError, InvalidInput, messageOf } from './errors.ts'
import type { Host } from './hosts/host.ts'
import { type Backup, byAge, type Inventory, readBackup, readInventory } from './inventory.ts'
import { parseBackupId } from './layout.ts'
import type { Vault } from './vaults/vault.ts'

/** Where backups may lie: a host's own root, a vault, or any directory that holds one of these. */
export interface Place {
  /** For people: `local`, `nas`, `/mnt/nas/holdfast`. */
  name: string
  /** The host on which the directories of its backups can be read; undefined where they must be fetched from `vault`. */
  host: Host | undefined
  vault: Vault | undefined
  list(filter?: { source?: string }): Promise<Inventory>
}

export interface Found {
  place: Place
  backup: Backup
}

/** A backup and every place that has it, in the order of the places. */
export interface Located {
  id: string
  copies: [Found, ...Found[]]
  /** Places that could not be looked into, and what stands there and cannot be read. */
  problems: string[]
}

/** The backups that a host keeps itself. */
export function rootPlace(host: Host, root: string, name = host.name): Place {
  return { name, host, vault: undefined, list: filter => readInventory(host, root, filter) }
}

/** The copies in a vault. */
export function vaultPlace(vault: Vault): Place {
  return {
    name: vault.name,
    host: vault.host,
    vault,
    async list(filter) {
      const unreadable: Inventory['unreadable'] = []
      const backups = await vault.list({ ...filter, unreadable: found => unreadable.push(found) })
      return { backups, unreadable }
    },
  }
}

/** Whatever a directory holds: a vault, one host's part of it, a root, a day of it or a single backup. */
export function directoryPlace(host: Host, path: string): Place {
  return { name: path, host, vault: undefined, list: ({ source } = {}) => readAnything(host, path, source) }
}

/**
 * The one backup whose id is, or begins with, the text; `<host label>/<id>` where one id is in use on two hosts.
 * What does not belong to the asker is passed over, and named where there is nothing else.
 */
export async function locate(
  places: readonly Place[],
  text: string,
  belongs: (backup: Backup) => boolean = () => true,
): Promise<Located> {
  const source = parseBackupId(text)?.source
  const problems: string[] = []
  const found: Found[] = []
  const strangers: string[] = []
  for (const place of places) {
    try {
      const { backups, unreadable } = await place.list(source === undefined ? {} : { source })
      const meant = backups.filter(backup => answers(backup, text))
      found.push(...meant.filter(belongs).map(backup => ({ place, backup })))
      strangers.push(...meant.filter(backup => !belongs(backup)).map(nameOf))
      problems.push(...unreadable.map(({ error }) => `${place.name}: ${error}`))
    } catch (error) {
      problems.push(`${place.name}: ${messageOf(error)}`)
    }
  }
  const names = [...new Set(found.map(({ backup }) => nameOf(backup)))]
  const [first, ...others] = found
  if (!first && strangers.length && !problems.length) throw foreign(text, [...new Set(strangers)])
  if (!first) throw nowhere(places, text, problems)
  if (names.length > 1) throw ambiguous(text, names)
  return { id: first.backup.manifest.id, copies: [first, ...others], problems }
}

function answers(backup: Backup, text: string): boolean {
  return text !== '' && (backup.manifest.id.startsWith(text) || nameOf(backup).startsWith(text))
}

/** The name of a backup among those of all hosts. */
export function nameOf({ manifest: { id, host } }: Backup): string {
  return `${host.label}/${id}`
}

function nowhere(places: readonly Place[], text: string, problems: string[]): HoldfastError {
  const looked = `no backup ${JSON.stringify(text)} in ${places.map(({ name }) => name).join(', ')}`
  if (!problems.length) return new InvalidInput(looked, { hint: '`holdfast list` shows what there is.' })
  return new HoldfastError(`${looked}; not everything could be read: ${problems.slice(0, 5).join('; ')}`, {
    hint: 'Make these places readable and try again.',
  })
}

function foreign(text: string, names: string[]): InvalidInput {
  const newest = names.toSorted().slice(-5).reverse()
  return new InvalidInput(`${JSON.stringify(text)} is a backup of another host: ${newest.join(', ')}`, {
    hint:
      `Restore it to another place, by its full name: holdfast restore ${newest[0]} --to PATH. ` +
      `Where this host took the place of that one, give it its \`label\` in the configuration.`,
  })
}

function ambiguous(text: string, names: string[]): InvalidInput {
  const newest = names.toSorted().slice(-5).reverse().join(', ')
  return new InvalidInput(`${JSON.stringify(text)} means ${names.length} backups, among them ${newest}`, {
    hint: 'Give more of the id, or <host label>/<id> where two hosts use the same one.',
  })
}

async function readAnything(host: Host, path: string, source: string | undefined): Promise<Inventory> {
  if (!(await host.stat(path))) throw new InvalidInput(`${path} is not there`, { hint: 'Is it mounted?' })
  const single = await readBackup(host, path)
  if (single) return { backups: source === undefined || single.manifest.source === source ? [single] : [], unreadable: [] }
  const filter = source === undefined ? {} : { source }
  const below = (await host.list(path)).filter(({ type, name }) => type === 'directory' && !name.startsWith('.'))
  const roots = /^\d{4}-\d{2}-\d{2}$/.test(path.split('/').at(-1) ?? '')
    ? [dirname(path)]
    : [path, ...below.map(({ name }) => join(path, name))]
  const all = await Promise.all(roots.map(root => readInventory(host, root, filter)))
  const mine = ({ directory }: { directory: string }) => directory.startsWith(`${path.replace(/\/+$/, '')}/`)
  return {
    backups: all.flatMap(({ backups }) => backups.filter(mine)).sort(byAge),
    unreadable: all.flatMap(({ unreadable }) => unreadable.filter(mine)),
  }
}
