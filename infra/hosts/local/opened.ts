/** Files of this machine while they are open, by descriptor: Node's own file handles cost twice as much. */
import { closeSync } from 'node:fs'
import { calls } from './calls.ts'

/** What may wait for a disk or a server - opening, syncing, renaming - happens aside; what only moves memory may be done at once. */
export async function opened<Result>(path: string, act: (file: number) => Promise<Result> | Result): Promise<Result> {
  const file = await calls.open(path, 'r')
  try {
    return await act(file)
  } finally {
    closeSync(file)
  }
}

/** Makes what was renamed into a directory, or made there, outlive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  await opened(path, calls.sync)
}
