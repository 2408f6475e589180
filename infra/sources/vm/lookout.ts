/** Notices a job that stands still. */
import { formatDuration } from '../../duration.ts'
import type { Guest } from '../../tools/guest.ts'

/** Milliseconds without a byte: disks that hang for less than this are seen now and then. */
const PATIENCE = 30 * 60_000

export interface Lookout {
  warn(message: string): void
  patience?: number
}

/** Is told what a job has written so far, and warns once in each span of patience in which that does not change. */
export function lookout({ domain }: Guest, { warn, patience = PATIENCE }: Lookout): (bytes: number | undefined) => void {
  let known: number | undefined
  let since = Date.now()
  return bytes => {
    const now = Date.now()
    if (bytes === known && now - since < patience) return
    if (bytes === known)
      warn(
        `the backup job of ${domain} has written nothing for ${formatDuration(patience)}, and is waited for: see virsh domjobinfo ${domain}; ` +
          `virsh domjobabort ${domain} ends it`,
      )
    known = bytes
    since = now
  }
}
