/** What GNU tar says on stderr, understood. */
import { parsePrintable, printable } from './byte-names.ts'
import { bytesOfRecords } from './tar.ts'

export type TarMessage =
  | { type: 'progress'; bytes: number }
  /** Bytes of the whole archive. */
  | { type: 'total'; bytes: number }
  /** A socket: an archive cannot hold one. */
  | { type: 'socket'; name: string }
  /** The file is in the archive, but perhaps not as it was at any one moment. */
  | { type: 'changed'; name: string; text: string }
  /** The file, or what the text says of it, is not in the archive. */
  | { type: 'missing'; name: string; text: string }
  | { type: 'other'; text: string }

/** Understands a line. `name` is the byte name of a member. */
export function tarMessage(line: string): TarMessage {
  const records = /^tar: (\d+)$/.exec(line)?.[1]
  if (records) return { type: 'progress', bytes: bytesOfRecords(Number(records)) }
  const total = /^Total bytes (?:written|read): (\d+)/.exec(line)?.[1]
  if (total) return { type: 'total', bytes: Number(total) }
  return aboutFile(line.replace(/: Warning: (?=Cannot |Read error )/, ': ')) ?? { type: 'other', text: line }
}

const sayings: [RegExp, (name: string, detail: string) => TarMessage][] = [
  [/^tar: (.*): socket ignored()$/, name => ({ type: 'socket', name })],
  [
    /^tar: (.*): file changed as we read it()$/,
    name => changed(name, 'changed while it was read: what was kept may mix old and new'),
  ],
  [
    /^tar: (.*): File shrank by (\d+) bytes; padding with zeros$/,
    (name, bytes) => changed(name, `shrank by ${bytes} bytes while it was read: zeros were kept in their place`),
  ],
  [/^tar: (.*): File removed before we read it()$/, name => missing(name, 'was removed before it was read: it was not kept')],
  [
    /^tar: (.*): Cannot (?:open|stat|savedir|readlink): (.*)$/,
    (name, why) => missing(name, `could not be read (${why}): it was not kept`),
  ],
  [
    /^tar: (.*): Read error at byte (.*)$/,
    (name, where) => missing(name, `could not be read at byte ${where}: zeros were kept in its place`),
  ],
  [/^tar: (.*): (Cannot .*)$/, (name, what) => missing(name, what)],
]

function aboutFile(line: string): TarMessage | undefined {
  for (const [saying, message] of sayings) {
    const match = saying.exec(line)
    if (match) return message(parsePrintable(match[1] ?? ''), match[2] ?? '')
  }
  return undefined
}

function changed(name: string, what: string): TarMessage {
  return { type: 'changed', name, text: `${shown(name)} ${what}` }
}

function missing(name: string, what: string): TarMessage {
  return { type: 'missing', name, text: `${shown(name)} ${what}` }
}

function shown(name: string): string {
  return `/${printable(name)}`
}
