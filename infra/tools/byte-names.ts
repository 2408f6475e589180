/**
 * File names are bytes, not text. Where a name may hold any bytes it travels as a "byte name": a string with one character
 * (U+0000 to U+00FF) for each byte. Commands take such names on stdin, because an argument list is always UTF-8.
 */

const letters: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }
const escapes = new Map(Object.entries(letters).map(([letter, byte]) => [byte, `\\${letter}`]))

/** The byte name of a text. */
export function byteName(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The text of a byte name; undefined where its bytes are not UTF-8. */
export function textOf(name: string): string | undefined {
  const bytes = Buffer.from(name, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined
}

/** Byte names as a command with `--null` or `-0` reads them from stdin. */
export function nullSeparated(names: readonly string[]): Uint8Array {
  return Buffer.from(names.map(name => `${name}\0`).join(''), 'latin1')
}

/** Byte names as a command with `-print0` writes them. */
export function splitNull(bytes: Uint8Array): string[] {
  const names = Buffer.from(bytes).toString('latin1').split('\0')
  return names.slice(0, -1)
}

/** A byte name for people and documents: UTF-8 as it is; backslashes, control characters and other bytes as GNU tar escapes them. */
export function printable(name: string): string {
  const text = textOf(name)
  if (text === undefined) return name.replace(/[^\x20-\x5b\x5d-\x7e]/g, escapeByte)
  return text.replace(/[\\\p{Cc}]/gu, character => byteName(character).replace(/./gs, escapeByte))
}

/** The byte name of what `printable` or GNU tar with `--quoting-style=escape` wrote. */
export function parsePrintable(text: string): string {
  return byteName(text).replace(/\\([0-7]{3}|.)/gs, (_, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number.parseInt(escaped, 8) & 0xff) : (letters[escaped] ?? escaped),
  )
}

function escapeByte(byte: string): string {
  if (byte === '\\') return '\\\\'
  return escapes.get(byte) ?? `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`
}
