/** Hears what tar says while it reads. */
import { HoldfastError } from '../../errors.ts'
import { memberName } from '../../tools/tar.ts'
import { tarMessage } from '../../tools/tar-messages.ts'
import type { CaptureWork } from '../source.ts'
import type { FilesOptions } from './options.ts'

export interface Seen {
  /** Byte names of members. */
  sockets: string[]
  changed: number
  missing: number
  /** Length of the archive before compression. */
  bytes: number
}

export interface Observer {
  seen: Seen
  /** Takes a line of tar's stderr. */
  take(line: string): void
  /** A path that was asked for by name may not go missing with a mere warning. Another try looks anew what is there. */
  refuseLost(): void
}

/** Counts what could not be kept, and passes on warnings and progress. `roots`: byte names. */
export function observe({ progress, warn, held }: CaptureWork<FilesOptions>, roots: readonly string[]): Observer {
  const seen: Seen = { sockets: [], changed: 0, missing: 0, bytes: 0 }
  const lost: string[] = []
  const wanted = new Set(roots.map(memberName))
  const take = (line: string) => {
    const message = tarMessage(line)
    if (message.type === 'progress') progress({ bytes: message.bytes, total: Math.max(held.expected, message.bytes) })
    if (message.type === 'total') seen.bytes = message.bytes
    if (message.type === 'socket') seen.sockets.push(message.name)
    if (message.type === 'changed') seen.changed++
    if (message.type === 'missing') seen.missing++
    if (message.type === 'missing' && wanted.has(message.name)) lost.push(message.text)
    if ('text' in message) warn(message.text)
  }
  return {
    seen,
    take,
    refuseLost() {
      if (lost.length > 0)
        throw new HoldfastError(`files: ${lost.join(', ')}`, { hint: 'Look why it went away or cannot be read.' })
    },
  }
}
