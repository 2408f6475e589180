/** A YAML document that knows on which line and column each of its values stands. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml'
import { messageOf } from '../errors.ts'
import type { Finding, Path, Problem } from './problems.ts'

export interface Source {
  /** Plain values, or undefined where the text is no YAML. */
  value: unknown
  problems: Problem[]
  /** A finding with its line and column; where its path does not exist, those of the nearest thing above it. */
  locate(finding: Finding): Problem
  /** Keys of the mapping at the path as they are written: plain objects do not keep the order of keys that look like numbers. */
  keys(path: Path): string[]
}

/** Reads YAML 1.2 with merge keys. Duplicate keys are problems that do not hide others; wrong syntax is. */
export function readSource(file: string, text: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, merge: true })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems = [...document.errors, ...document.warnings].map(error => ({
    ...place(error.pos[0]),
    ...explain(document, error),
  }))
  const locate = ({ path, message, expected, nearest, atKey }: Finding) => ({
    ...place(offsetOf(document, path, atKey ?? false)),
    path: path.join('.'),
    message,
    expected,
    ...(nearest === undefined ? {} : { nearest }),
  })
  const keys = (path: Path) =>
    keysOf(path.reduce<Node | null>((node, part) => child(document, node, part)?.value ?? null, document.contents))
  const readable = document.errors.every(({ code }) => code === 'DUPLICATE_KEY')
  if (!readable) return { value: undefined, problems, locate, keys }
  try {
    return { value: document.toJS({ maxAliasCount: 100 }), problems, locate, keys }
  } catch (error) {
    const problem = { ...place(0), path: '', message: `not readable: ${messageOf(error)}`, expected: 'YAML' }
    return { value: undefined, problems: [...problems, problem], locate, keys }
  }
}

function explain(document: Document, { code, message, pos }: YAMLError): { path: string; message: string; expected: string } {
  const path = pathAt(document, pos[0]).join('.')
  if (code === 'DUPLICATE_KEY')
    return { path, message: 'stands here for the second time; keep one of the two', expected: 'every key once' }
  return { path: '', message: `not valid YAML: ${message.split('\n')[0]}`, expected: 'YAML' }
}

interface Found {
  key: Node | null
  value: Node | null
}

function child(document: Document, parent: Node | null, part: string | number): Found | undefined {
  const node = isAlias(parent) ? (parent.resolve(document) ?? null) : parent
  if (isSeq<Node>(node)) return { key: null, value: node.items[Number(part)] ?? null }
  if (!isMap<Node, Node | null>(node)) return undefined
  // Of two equal keys the last one's value is read.
  const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === String(part))
  return pair && { key: pair.key, value: pair.value }
}

function offsetOf(document: Document, path: Path, atKey: boolean): number {
  let found: Found = { key: null, value: document.contents }
  for (const [index, part] of path.entries()) {
    const next = child(document, found.value, part)
    if (!next) return startOf(found.key) ?? startOf(found.value) ?? 0
    found = atKey && index === path.length - 1 ? { key: next.key, value: next.key } : next
  }
  return startOf(found.value) ?? startOf(found.key) ?? 0
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0]
}

function keysOf(node: Node | null): string[] {
  return isMap<Node>(node) ? node.items.flatMap(({ key }) => (isScalar(key) ? [String(key.value)] : [])) : []
}

/** The keys that lead to what begins at an offset. */
function pathAt(document: Document, offset: number): Path {
  const search = (node: Node | null, path: Path): Path | undefined => {
    if (!isMap<Node, Node | null>(node)) return undefined
    for (const { key, value } of node.items) {
      const here = [...path, isScalar(key) ? String(key.value) : '']
      if (startOf(key) === offset) return here
      const below = search(value, here)
      if (below) return below
    }
    return undefined
  }
  return search(document.contents, []) ?? []
}
