/** Places that must not lie inside each other: sources, the hosts' roots and vaults on one machine. */
import { dirname, resolve } from 'node:path'
import picomatch from 'picomatch'
import type { Finding, Path } from './problems.ts'
import { hostNames, names, textsAt, valueAt } from './references.ts'
import { DEFAULT_ROOT } from './schema.ts'

interface Place {
  host: string
  where: string
  path: Path
  called: string
}

/**
 * Backups that back themselves up grow without end, and a vault in the root is no second copy. Kinds say where they are in `path`,
 * `paths`, `exclude` and `host`; a kind that has other options is not looked at.
 */
export function checkPlaces(raw: unknown, directory: string): Finding[] {
  const rootPlaces = hostNames(raw).map(host => rootOf(raw, host, directory))
  const vaultPlaces = names(raw, 'vaults').flatMap(vault => placeOf(raw, vault))
  return [
    ...vaultPlaces.flatMap((vault, index) => [...nested(vault, rootPlaces), ...nested(vault, vaultPlaces.slice(0, index))]),
    ...names(raw, 'sources').flatMap(source => [...vaultPlaces, ...rootPlaces].flatMap(place => inside(raw, source, place))),
  ]
}

function rootOf(raw: unknown, host: string, directory: string): Place {
  const path = ['hosts', host, 'root']
  const root = valueAt(raw, path)
  return {
    host,
    where: resolve(directory, typeof root === 'string' ? root : DEFAULT_ROOT),
    path,
    called: `the root of host ${host}`,
  }
}

function placeOf(raw: unknown, vault: string): Place[] {
  const path = ['vaults', vault, 'path']
  const where = valueAt(raw, path)
  return typeof where === 'string' && where.startsWith('/')
    ? [{ host: hostOf(raw, ['vaults', vault]), where, path, called: `vault ${vault}` }]
    : []
}

function hostOf(raw: unknown, path: Path): string {
  const host = valueAt(raw, [...path, 'host'])
  return typeof host === 'string' ? host : 'local'
}

function nested(vault: Place, others: readonly Place[]): Finding[] {
  const found = others.find(
    other => other.host === vault.host && (within(vault.where, other.where) || within(other.where, vault.where)),
  )
  if (!found) return []
  const how = clean(found.where) === clean(vault.where) ? 'is' : within(vault.where, found.where) ? 'lies inside' : 'contains'
  return [
    {
      path: vault.path,
      message: `${vault.where} ${how} ${found.called}; a vault needs a place of its own`,
      expected: 'a place of its own',
    },
  ]
}

function inside(raw: unknown, source: string, place: Place): Finding[] {
  if (hostOf(raw, ['sources', source]) !== place.host) return []
  if (textsAt(raw, ['sources', source, 'exclude']).some(({ text }) => covers(text, place.where))) return []
  const around = [...textsAt(raw, ['sources', source, 'paths']), ...textsAt(raw, ['sources', source, 'path'])].find(({ text }) =>
    covers(text, place.where),
  )
  if (!around) return []
  const message = `contains ${place.where}, ${place.called}: backups would back themselves up; move one of them or add it to exclude`
  return [{ path: around.path, message, expected: `a path without ${place.where}` }]
}

/** Whether a path or glob takes in a place. */
function covers(pattern: string, place: string): boolean {
  return (
    pattern.startsWith('/') &&
    (within(place, pattern) || ancestors(clean(place)).some(path => picomatch.isMatch(path, pattern, { dot: true })))
  )
}

function within(inner: string, outer: string): boolean {
  return clean(outer) === '/' || `${clean(inner)}/`.startsWith(`${clean(outer)}/`)
}

function ancestors(path: string): string[] {
  return path === '/' ? [path] : [path, ...ancestors(dirname(path))]
}

function clean(path: string): string {
  return path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1')
}
