/** What a restore has staged, and how it goes. */
import type { Host } from '../hosts/host.ts'
import type { Journal } from './journal.ts'

/** Everything that was staged, exchanged since or not. */
export function stagedOf({ steps, scratch }: Journal): string[] {
  return [...steps.flatMap(({ staged }) => staged ?? []), ...scratch]
}

export async function discard(host: Host, paths: readonly string[]): Promise<void> {
  for (const path of paths) await host.remove(path)
}
