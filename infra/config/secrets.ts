/** Puts secrets and absolute paths into the values of a configuration file before they are checked. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { codeOf, messageOf } from '../errors.ts'
import { type Finding, nearestOf, type Path } from './problems.ts'

export interface Expansion {
  value: unknown
  findings: Finding[]
  /** What was put in: must not appear in any message. */
  secrets: string[]
}

export interface ExpandOptions {
  env: Record<string, string | undefined>
  /** The configuration file's directory. */
  directory: string
}

/**
 * In every text value: `${env:NAME}` and `${file:path}` are replaced (a file's trailing newline is dropped; `$${` stands for a
 * plain `${`), and a text that is written with a leading `./` or `../` becomes an absolute path. Both are relative to the
 * configuration file.
 */
export function expand(value: unknown, options: ExpandOptions): Expansion {
  const expansion: Expansion = { value: undefined, findings: [], secrets: [] }
  expansion.value = expandInto(expansion, value, [], options)
  return expansion
}

function expandInto(expansion: Expansion, value: unknown, path: Path, options: ExpandOptions): unknown {
  if (typeof value === 'string') return expandText(expansion, value, path, options)
  if (Array.isArray(value)) return value.map((item, index) => expandInto(expansion, item, [...path, index], options))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, expandInto(expansion, item, [...path, key], options)]),
  )
}

function expandText(expansion: Expansion, text: string, path: Path, options: ExpandOptions): string {
  const expanded = text.replace(/\$\$\{|\$\{([a-z]+):([^}]*)\}/g, (whole: string, scheme: string | undefined, name: string) => {
    if (scheme === undefined) return '${'
    const found = lookUp(scheme, name, options)
    if (found === undefined) return whole
    if ('problem' in found) expansion.findings.push({ path, message: found.problem, expected: found.expected })
    if ('secret' in found) expansion.secrets.push(found.secret)
    return 'secret' in found ? found.secret : whole
  })
  return /^\.\.?(\/|$)/.test(text) ? resolve(options.directory, expanded) : expanded
}

type Found = { secret: string } | { problem: string; expected: string }

function lookUp(scheme: string, name: string, options: ExpandOptions): Found | undefined {
  if (scheme === 'env') return fromEnvironment(name, options.env)
  if (scheme === 'file') return fromFile(name, options.directory)
  // A command may hold a shell's own `${name:-default}`; a misspelt scheme would otherwise be used as the secret itself.
  const nearest = nearestOf(scheme, ['env', 'file'])
  if (!nearest || /^[-=+?]/.test(name)) return undefined
  return {
    problem: `unknown secret scheme "${scheme}"; did you mean "${nearest}"? ($\${ stands for a plain \${)`,
    expected: `\${env:NAME} or \${file:path}`,
  }
}

function fromEnvironment(name: string, env: Record<string, string | undefined>): Found {
  const secret = env[name]
  if (secret) return { secret }
  return {
    problem: `the environment variable ${name || '(no name)'} is ${secret === '' ? 'empty' : 'not set'}`,
    expected: `the environment variable ${name}`,
  }
}

function fromFile(name: string, directory: string): Found {
  const path = resolve(directory, name)
  try {
    const secret = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    return secret ? { secret } : { problem: `the file ${path} is empty`, expected: `a secret in ${path}` }
  } catch (error) {
    return {
      problem: `the file ${path} ${codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(error)}`}`,
      expected: `a secret in ${path}`,
    }
  }
}
