/** Where a bench works: a directory of its own that goes with it. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Place extends AsyncDisposable {
  path: string
}

/** On a disk: below TMPDIR. */
export function diskPlace(): Promise<Place> {
  return placeIn(tmpdir())
}

/** In memory, where this system has a tmpfs for everybody. */
export function memoryPlace(): Promise<Place> {
  return placeIn(existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
}

async function placeIn(directory: string): Promise<Place> {
  const path = await mkdtemp(join(directory, 'holdfast-bench-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
