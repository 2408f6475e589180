/** A directory in one that is there. */
import { dirname } from 'node:path'
import { codeOf } from '../../errors.ts'
import { calls } from './calls.ts'
import { syncDirectory } from './opened.ts'

export interface Making {
  mode?: number
  lasting?: boolean
}

/** What has vanished around it, a mount for one, is not made again. */
export async function makeOneDirectory(path: string, { mode = 0o700, lasting = true }: Making = {}): Promise<void> {
  try {
    await calls.make(path, mode)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await calls.stat(path)).isDirectory()) return
    throw error
  }
  if (lasting) await syncDirectory(dirname(path))
}
