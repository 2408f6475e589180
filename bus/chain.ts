/** The picture of the chain, derived from what functions declare. */
import { type Declared, saidBy, takenBy, takesTicks, ticks } from './declared.ts'
import type { EventKind } from './event.ts'
import { TICK } from './function.ts'

export interface Chain {
  /** A flowchart for Mermaid: failures dotted. */
  mermaid: string
  /** For a terminal: who takes what, says what, and who hears it. */
  text: string
}

export function chainOf(functions: readonly Declared[]): Chain {
  return { mermaid: mermaidOf(functions), text: textOf(functions) }
}

interface Edge {
  from: string
  to: string
  outcomes: string[]
}

function mermaidOf(functions: readonly Declared[]): string {
  const tickers = functions
    .filter(ticks)
    .flatMap(({ name }) => [`  requests([requests]) --> ${nodeOf(name)}`, `  ${nodeOf(name)} --> tick`])
  const ticked = functions.filter(takesTicks).map(({ name }) => `  tick --> ${nodeOf(name)}`)
  return ['flowchart LR', '  tick([tick])', ...tickers, ...ticked, ...edgesOf(functions).map(arrowOf), ''].join('\n')
}

/** All that one function says to another is one arrow. */
function edgesOf(functions: readonly Declared[]): Edge[] {
  return functions.flatMap(from =>
    functions.flatMap(to => {
      const outcomes = saidBy(from)
        .filter(({ type }) => takes(to, type))
        .map(({ outcome }) => outcome)
      return outcomes.length > 0 ? [{ from: from.name, to: to.name, outcomes }] : []
    }),
  )
}

function arrowOf({ from, to, outcomes }: Edge): string {
  const line = outcomes.every(outcome => outcome === 'failed') ? '-.->' : '-->'
  return `  ${nodeOf(from)} ${line}|${outcomes.join(', ')}| ${nodeOf(to)}`
}

/** Some names, such as `end` and `style`, are words of Mermaid's own. */
function nodeOf(name: string): string {
  return `${name}_[${name}]`
}

function textOf(functions: readonly Declared[]): string {
  return functions.map(fn => blockOf(fn, functions)).join('\n')
}

function blockOf(fn: Declared, functions: readonly Declared[]): string {
  const taken = takesTicks(fn) ? [TICK] : ticks(fn) ? ['requests'] : takenBy(fn).map(({ type }) => type)
  const said = [
    ...(ticks(fn) ? [saidLine(TICK, functions.filter(takesTicks))] : []),
    ...saidBy(fn).map(event => saidTo(event, functions)),
  ]
  return [fn.name, ...column('takes', taken), ...column('says', said), ''].join('\n')
}

function saidTo({ type }: EventKind, functions: readonly Declared[]): string {
  return saidLine(
    type,
    functions.filter(fn => takes(fn, type)),
  )
}

function saidLine(type: string, hearers: readonly Declared[]): string {
  return hearers.length > 0 ? `${type.padEnd(20)} ─► ${hearers.map(({ name }) => name).join(', ')}` : type
}

function column(title: string, lines: readonly string[]): string[] {
  return lines.map((line, place) => `  ${(place === 0 ? title : '').padEnd(6)} ${line}`)
}

function takes(fn: Declared, type: string): boolean {
  return takenBy(fn).some(event => event.type === type)
}
