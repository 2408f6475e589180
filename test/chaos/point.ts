/** Where a worker dies: at a named point of one step, by its own hand and without warning. */
import { readdir, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

/**
 * - `start`, `end`: before and after the function's handler.
 * - `before write manifest.json`, `after rename .partial`, `half run rsync`: at a change of a host or of what the bus remembers.
 *   The last word is any part of what the change is told.
 * - `publishing export.done`, `published export.done`: right before that fact is stored, and right after, before the acknowledgement.
 */
export const Point = z.object({ step: z.string(), at: z.string() })
export type Point = z.infer<typeof Point>

export interface Deed {
  /** `write`, `rename`, `run` … */
  name: string
  /** What it is told: paths, arguments. */
  told: string
}

/** What happens there. Where it kills its own process it never resolves. */
export type Strike = () => Promise<void>

/** SIGKILL, as from outside: nothing is cleaned up, nothing is said. */
export const die: Strike = () => {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}

type When = 'before' | 'half' | 'after'

/** Whether a deed is the one at which it ends, and when. */
export function timeOf({ at }: Point, { name, told }: Deed): When | undefined {
  const [when, wanted, ...words] = at.split(' ')
  if (wanted !== name || !told.includes(words.join(' '))) return undefined
  return when === 'before' || when === 'half' || when === 'after' ? when : undefined
}

/** What a write leaves behind when it is cut off: half the bytes under the temporary name. */
export async function writeHalf(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.partial-0000000000000000`)
  await writeFile(temporary, data.slice(0, Math.floor(data.length / 2)), { mode: 0o600 })
}

/** What a removal of a tree leaves behind: all but one file. */
export async function removeHalf(path: string): Promise<void> {
  const [first] = await readdir(path)
  if (first !== undefined) await unlink(join(path, first))
}

/** Long enough for a slowed command to have begun. */
export async function untilBegun(): Promise<void> {
  await sleep(200)
}
