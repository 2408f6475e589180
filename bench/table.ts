/** Rows as text for people. */
import type { Row } from './measure.ts'

const head = ['claim', 'ours', 'peer', 'ratio', 'limit', '']

/** A table with one line per row, columns aligned. */
export function table(rows: readonly Row[]): string {
  const lines = [head, ...rows.map(cells)]
  const widths = head.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)))
  return lines
    .map(line =>
      line
        .map((cell, column) => pad(cell, widths[column] ?? 0, column))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Whether the row keeps its limit; undefined where it has none. */
export function keeps(row: Row): boolean | undefined {
  const { limit } = row
  if (!limit) return undefined
  const judged = ofOurs(row) ? row.ours : (row.ratio ?? row.ours)
  return 'atMost' in limit ? judged <= limit.atMost : judged >= limit.atLeast
}

function ofOurs({ limit, ratio }: Row): boolean {
  return limit?.of === 'ours' || ratio === undefined
}

function cells(row: Row): string[] {
  const { claim, ours, peer, ratio, limit, unit } = row
  const bound =
    limit && ('atMost' in limit ? `≤ ${figure(limit.atMost)}` : `≥ ${figure(limit.atLeast)}`) + (ofOurs(row) ? ` ${unit}` : '')
  const verdict = { true: 'kept', false: 'missed', undefined: '' }[String(keeps(row))]
  return [
    claim,
    `${figure(ours)} ${unit}`,
    peer === undefined ? '' : `${figure(peer)} ${unit}`,
    figure(ratio),
    bound ?? '',
    verdict ?? '',
  ]
}

/** Three digits that count. */
function figure(value: number | undefined): string {
  return value === undefined ? '' : String(Number(value.toPrecision(3)))
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 || column === head.length - 1 ? cell.padEnd(width) : cell.padStart(width)
}
