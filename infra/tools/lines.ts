/** What is kept and told of a command's output while it runs. */
import { StringDecoder } from 'node:string_decoder'

const LONGEST_LINE = 1024 * 1024
const KEPT_STDERR = 64 * 1024

export interface Listener {
  write(chunk: Uint8Array): void
  end(): void
}

/** Calls `onLine` with each line that is not empty. Lines end at \n or \r; one over a megabyte comes in pieces. */
export function lineListener(onLine: (line: string) => void): Listener {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string) => {
    const lines = (rest + text).split(/[\r\n]/)
    rest = lines.pop() ?? ''
    if (rest.length > LONGEST_LINE) lines.push(rest)
    if (rest.length > LONGEST_LINE) rest = ''
    for (const line of lines) if (line) onLine(line)
  }
  return {
    write: chunk => take(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end: () => take(`${decoder.end()}\n`),
  }
}

export interface Tail {
  write(chunk: Uint8Array): void
  text(): string
}

/** Keeps the last 64 KB of what it is given. */
export function tail(limit = KEPT_STDERR): Tail {
  let kept: Uint8Array[] = []
  let bytes = 0
  const last = () => Buffer.concat(kept).subarray(-limit)
  return {
    write(chunk) {
      kept.push(chunk)
      bytes += chunk.length
      if (bytes <= 2 * limit) return
      kept = [Buffer.from(last())]
      bytes = limit
    },
    text: () => last().toString('utf8'),
  }
}
