/** The sources as the laws of the house see them. */
import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseAst } from 'vitest/node'

export const root = join(import.meta.dirname, '..', '..')

/** Any node of a syntax tree (ESTree with TypeScript). */
export interface SyntaxNode {
  type: string
  start: number
  [field: string]: unknown
}

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  path: string
  text: string
  nodes: SyntaxNode[]
  /** What it imports, types included: paths from the root for files of the house, names for packages. */
  imports: string[]
}

const rooms = ['bus', 'functions', 'infra', 'web', 'cli', 'bench', 'test']

/** Every source file, by its path. */
export function paths(): string[] {
  return globSync([`{${rooms.join(',')}}/**/*.{ts,js}`, '*.ts'], { cwd: root }).sort()
}

/** Every source file, parsed. */
export function sources(): SourceFile[] {
  return paths().map(path => parse(path, readFileSync(join(root, path), 'utf8')))
}

/** The file as the laws see it. */
export function parse(path: string, text: string): SourceFile {
  const nodes = [...walk(parseAst(text, { lang: 'ts' }))]
  const imports = nodes.map(importedBy).filter(name => name !== undefined)
  return { path, text, nodes, imports: imports.map(name => fromRoot(path, name)) }
}

/** `infra/hosts/local.ts:12` */
export function placeOf(file: SourceFile, node: SyntaxNode): string {
  return `${file.path}:${file.text.slice(0, node.start).split('\n').length}`
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'start' in value
}

/** A node's child by its field, if there is one and it is of that type. */
export function child(node: SyntaxNode, field: string, type?: string): SyntaxNode | undefined {
  const value = node[field]
  return isNode(value) && (type === undefined || value.type === type) ? value : undefined
}

function* walk(value: unknown): Generator<SyntaxNode> {
  if (Array.isArray(value)) for (const item of value) yield* walk(item)
  if (!isNode(value)) return
  yield value
  for (const field of Object.keys(value)) yield* walk(value[field])
}

function importedBy(node: SyntaxNode): string | undefined {
  if (!/^(Import(Declaration|Expression)|Export(Named|All)Declaration|TSImportType)$/.test(node.type)) return undefined
  const source = child(node, 'source') ?? child(node, 'argument')
  return typeof source?.value === 'string' ? source.value : undefined
}

function fromRoot(path: string, name: string): string {
  return name.startsWith('.') ? posix.join(posix.dirname(path), name) : name
}
