/** What is wrong in a configuration file: where, what was expected, and what was probably meant. */
import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { HoldfastError } from '../errors.ts'

export type Path = readonly (string | number)[]

/** What is wrong, before its line and column are known. */
export interface Finding {
  path: Path
  /** Without the place. */
  message: string
  expected: string
  nearest?: string | undefined
  /** The key itself is wrong, not its value. */
  atKey?: boolean
}

export interface Problem {
  file: string
  /** From 1. */
  line: number
  column: number
  /** `sources.docs.paths`; empty for the file as a whole. */
  path: string
  message: string
  expected: string
  /** The valid key or name that was probably meant. */
  nearest?: string
}

/** Everything that is wrong with the file, one line each. Trying again cannot help until somebody changes it. */
export class ConfigurationInvalid extends HoldfastError {
  override name = 'ConfigurationInvalid'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], { hint, cause }: { hint?: string; cause?: unknown } = {}) {
    super(problems.map(formatProblem).join('\n'), { retryable: false, ...(hint ? { hint } : {}), cause })
    this.problems = problems
  }
}

/** `holdfast.yaml:12:7 sources.docs.pahts: unknown key; did you mean "paths"?` */
export function formatProblem({ file, line, column, path, message }: Problem): string {
  return `${file}:${line}:${column} ${path ? `${path}: ` : ''}${message}`
}

/** The candidate that was probably meant; undefined where none is near. */
export function nearestOf(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined
  const found = closest(word.toLowerCase(), candidates)
  return distance(word.toLowerCase(), found.toLowerCase()) <= Math.max(2, Math.floor(word.length / 3)) ? found : undefined
}

/** A finding about a name that is none of `candidates`. */
export function unknownName(path: Path, what: string, word: string, candidates: readonly string[], atKey = false): Finding {
  const nearest = nearestOf(word, candidates)
  const expected = candidates.length === 0 ? `a ${what}; there is none` : `one of ${candidates.join(', ')}`
  const cure = nearest ? `did you mean ${JSON.stringify(nearest)}?` : `expected ${expected}`
  return { path, message: `unknown ${what}${atKey ? '' : ` ${JSON.stringify(word)}`}; ${cure}`, expected, nearest, atKey }
}

/**
 * What a schema says of a value, with everything wrong found at once. `otherKeys` are valid beside the schema's own, and are
 * somebody else's to check.
 */
export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: Path,
  otherKeys: readonly string[] = [],
): { data?: T; findings: Finding[] } {
  const result = schema.safeParse(value, { error: validKeys })
  if (result.success) return { data: result.data, findings: [] }
  return { findings: result.error.issues.flatMap(issue => translate(issue, path, value, otherKeys)) }
}

type Issue = z.core.$ZodIssue

/** The one place where zod tells which keys an object knows is its error map: the message carries them on. */
function validKeys(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined
  const definition = issue.inst && 'shape' in issue.inst ? issue.inst.shape : undefined
  return definition && typeof definition === 'object' ? Object.keys(definition).join(', ') : undefined
}

function translate(issue: Issue, base: Path, input: unknown, otherKeys: readonly string[]): Finding[] {
  const path = [...base, ...issue.path.map(part => (typeof part === 'number' ? part : String(part)))]
  const value = issue.path.reduce<unknown>(childOf, input)
  if (issue.code === 'unrecognized_keys') {
    const known = [...issue.message.split(', '), ...(issue.path.length === 0 ? otherKeys : [])]
    return issue.keys.map(key => unknownName([...path, key], 'key', key, known, true))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return translateUnion(issue, path, value)
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => ({ path, message, expected: message, atKey: true }))
  if (issue.code === 'invalid_type') return [mismatch(expectedOf(issue), path, value)]
  if (issue.code === 'invalid_value') return [unknownName(path, 'value', String(value), issue.values.map(String))]
  if (issue.message.startsWith('expected ') && typeof value === 'string')
    return [mismatch(issue.message.slice('expected '.length), path, value)]
  return [{ path, message: lowerFirst(issue.message), expected: lowerFirst(issue.message).replace(/^expected /, '') }]
}

/** Of the alternatives, the one that fits the value's type and is wrong further down; else all of their types. */
function translateUnion({ errors, message }: Issue & { code: 'invalid_union' }, path: Path, value: unknown): Finding[] {
  const near = errors.find(issues => issues.every(issue => !(issue.code === 'invalid_type' && issue.path.length === 0)))
  if (near) return near.flatMap(issue => translate(issue, path, value, []))
  if (message.startsWith('expected ')) return [mismatch(message.slice('expected '.length), path, value)]
  const types = errors.flat().flatMap(issue => (issue.code === 'invalid_type' ? [expectedOf(issue)] : []))
  return [mismatch([...new Set(types)].join(' or '), path, value)]
}

/** In our own schemas' words where they have some. */
function expectedOf({ message, expected }: Issue & { code: 'invalid_type' }): string {
  return message.startsWith('expected ') ? message.slice('expected '.length) : (typeNames[expected] ?? expected)
}

function mismatch(expected: string, path: Path, value: unknown): Finding {
  if (value === undefined) return { path, message: `missing; expected ${expected}`, expected }
  // What may hold a secret written straight into the file is not repeated.
  const found = secretKey.test(String(path.at(-1))) ? '' : `, found ${describe(value)}`
  return { path, message: `expected ${expected}${found}`, expected }
}

const secretKey = /pass|token|secret|key|url/i

const typeNames: Record<string, string> = {
  string: 'text',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
}

function describe(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function childOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([name]) => name === String(key))?.[1]
    : undefined
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
