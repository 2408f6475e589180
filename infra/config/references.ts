/** What no single value can show: names that exist nowhere, places inside each other, subjects that are ours. */
import { type Finding, type Path, unknownName } from './problems.ts'
import { overlapsPrefix } from './subjects.ts'

/** Everything wrong between values. Reads what was written, so that a mistake elsewhere hides nothing here. */
export function checkReferences(raw: unknown): Finding[] {
  const [hosts, plans, vaults] = [hostNames(raw), names(raw, 'plans'), names(raw, 'vaults')]
  return [
    ...names(raw, 'sources').flatMap(source => {
      const path = ['sources', source]
      return [...unknownTexts(raw, [...path, 'plan'], 'plan', plans), ...unknownTexts(raw, [...path, 'host'], 'host', hosts)]
    }),
    ...names(raw, 'vaults').flatMap(vault => unknownTexts(raw, ['vaults', vault, 'host'], 'host', hosts)),
    ...plans.flatMap(plan => [
      ...unknownTexts(raw, ['plans', plan, 'vaults'], 'vault', vaults),
      ...keysAt(raw, ['plans', plan, 'stagger']).flatMap(host =>
        hosts.includes(host) ? [] : unknownName(['plans', plan, 'stagger', host], 'host', host, hosts, true),
      ),
      ...ownSubjects(raw, ['plans', plan, 'on']),
    ]),
    ...sharedLabels(raw),
  ]
}

/** A text or each of a list of texts, with its path. */
export function textsAt(raw: unknown, path: Path): { text: string; path: Path }[] {
  const value = valueAt(raw, path)
  if (typeof value === 'string') return [{ text: value, path }]
  return Array.isArray(value)
    ? value.flatMap((item, index) => (typeof item === 'string' ? [{ text: item, path: [...path, index] }] : []))
    : []
}

/** The names of a section's entries. */
export function names(raw: unknown, section: string): string[] {
  return keysAt(raw, [section])
}

/** `local` is there whether or not it is written. */
export function hostNames(raw: unknown): string[] {
  return [...new Set(['local', ...names(raw, 'hosts')])]
}

/** What stands at a path; undefined where it ends before. */
export function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    return typeof value === 'object' && value !== null
      ? Object.entries(value).find(([key]) => key === String(part))?.[1]
      : undefined
  }, raw)
}

function keysAt(raw: unknown, path: Path): string[] {
  const value = valueAt(raw, path)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
}

function unknownTexts(raw: unknown, at: Path, what: string, known: readonly string[]): Finding[] {
  return textsAt(raw, at).flatMap(({ text, path }) => (known.includes(text) ? [] : unknownName(path, what, text, known)))
}

function ownSubjects(raw: unknown, at: Path): Finding[] {
  const stated = valueAt(raw, ['settings', 'prefix'])
  const prefix = typeof stated === 'string' ? stated : 'backup'
  return textsAt(raw, at)
    .filter(({ text }) => overlapsPrefix(text, prefix))
    .map(({ text, path }) => ({
      path,
      message: `"${text}" would match Holdfast's own ${prefix}.> subjects; name the foreign ones`,
      expected: `a subject outside ${prefix}.>`,
    }))
}

/** Vault paths show the label, so two hosts with one label would share their directories there. */
function sharedLabels(raw: unknown): Finding[] {
  const seen = new Map<string, string>()
  return hostNames(raw).flatMap(host => {
    const stated = valueAt(raw, ['hosts', host, 'label'])
    const label = typeof stated === 'string' ? stated : host
    const other = seen.get(label)
    seen.set(label, other ?? host)
    if (other === undefined) return []
    return [
      { path: ['hosts', host, 'label'], message: `"${label}" is the label of host ${other} too`, expected: 'a label of its own' },
    ]
  })
}
