/** What no file of the house says. Each law returns the places that break it. */
import { roomOf } from './layers.ts'
import { child, placeOf, type SourceFile, type SyntaxNode } from './tree.ts'

type Law = (node: SyntaxNode) => boolean

/** For every file. */
export const everywhere: Record<string, Law> = {
  'no type `any`': node => node.type === 'TSAnyKeyword',
  'no assertion on an assertion': node =>
    node.type === 'TSAsExpression' && child(node, 'expression', 'TSAsExpression') !== undefined,
  'no shell: commands are argument lists': isShell,
  'no empty catch': node => node.type === 'CatchClause' && bodyOf(node).length === 0,
}

/** For what people run; tests may look and say what they like. */
export const inProduct: Record<string, Law> = {
  'no assertion but `as const`': isSilencing,
  'no non-null assertion': node => node.type === 'TSNonNullExpression',
}

/** Below the command line there is always somebody to tell; the command line itself is where errors end. */
export const belowCli: Record<string, Law> = {
  'no catch that only logs': node => node.type === 'CatchClause' && bodyOf(node).length > 0 && bodyOf(node).every(isLogging),
  'no console': node => node.type === 'MemberExpression' && nameOf(child(node, 'object')) === 'console',
}

/** Comments that switch a check off. */
export function silencers({ path, text }: SourceFile): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (/@ts-(ignore|nocheck|expect-error)|biome-ignore/.test(line) ? [`${path}:${index + 1}`] : []))
}

/** Where a file breaks a law. */
export function breaches(file: SourceFile, law: Law): string[] {
  return file.nodes.filter(law).map(node => placeOf(file, node))
}

export function isProduct({ path }: SourceFile): boolean {
  return ['bus', 'functions', 'infra', 'web', 'cli'].includes(roomOf(path))
}

/** `shell: …` among the options of a command, and the functions that take a command as one string. */
function isShell(node: SyntaxNode): boolean {
  if (node.type === 'Property') return nameOf(child(node, 'key')) === 'shell' && child(node, 'value')?.value !== false
  if (node.type === 'ImportSpecifier') return /^(exec|execSync|execaCommand(Sync)?)$/.test(nameOf(child(node, 'imported')))
  return false
}

/** `as const` says what is; `as unknown` only forgets. Anything else claims what nobody checked. */
function isSilencing(node: SyntaxNode): boolean {
  if (node.type !== 'TSAsExpression') return false
  const type = child(node, 'typeAnnotation')
  return type?.type !== 'TSUnknownKeyword' && nameOf(child(type ?? node, 'typeName')) !== 'const'
}

function bodyOf(clause: SyntaxNode): SyntaxNode[] {
  const statements = child(clause, 'body')?.body
  return Array.isArray(statements) ? statements : []
}

function isLogging(statement: SyntaxNode): boolean {
  const callee = child(child(statement, 'expression') ?? statement, 'callee', 'MemberExpression')
  const speaker = callee && child(callee, 'object')
  const last = speaker && (child(speaker, 'property') ?? speaker)
  return /^(console|log|logger)$/.test(nameOf(last))
}

function nameOf(node: SyntaxNode | undefined): string {
  return typeof node?.name === 'string' ? node.name : ''
}
