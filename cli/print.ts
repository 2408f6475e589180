/** How answers look: aligned columns for people, JSON for programs. */
import { styleText } from 'node:util'
import prettyBytes from 'pretty-bytes'

/** One line on stdout: what commands answer. */
export function say(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** One line on stderr: what is worth knowing besides the answer. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** A whole JSON document on stdout. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value, undefined, 2))
}

/** Stored text may hold what a terminal would obey: control characters are shown, never sent. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Columns two spaces apart, as wide as their widest cell; the first row may be a heading. */
export function sayTable(raw: readonly (readonly string[])[]): void {
  const rows = raw.map(row => row.map(visible))
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, index) => Math.max(cell.length, all[index] ?? 0)), [])
  for (const row of rows)
    say(
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

/** `412 MB` */
export function size(bytes: number): string {
  return prettyBytes(bytes)
}

/** `2026-11-21 02:00:00 UTC` */
export function moment(at: string | Date): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** `38 s`, `12 min`, `5 h`, `3 d`: one unit, the way people speak of an age. */
export function span(seconds: number): string {
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
  ]
  const [factor, unit] = units.find(([factor]) => seconds >= 2 * factor) ?? [1, 's']
  return `${Math.max(0, Math.floor(seconds / factor))} ${unit}`
}

/** How long ago, or how far ahead: `5 min ago`, `in 3 h`. */
export function away(at: string | Date, now = Date.now()): string {
  const seconds = (now - new Date(at).getTime()) / 1000
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`
}

export type Mood = 'good' | 'doubtful' | 'bad'

/** Coloured on a terminal. A warning is never green. */
export function mood(text: string, how: Mood): string {
  return styleText(({ good: 'green', doubtful: 'yellow', bad: 'red' } as const)[how], text, { stream: process.stdout })
}
