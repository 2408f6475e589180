/** What the user of this process may do. */
import { access, constants } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'
import { missing } from './files.ts'

export async function mayRead(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK)
    return true
  } catch (error) {
    if (missing(error) || codeOf(error) === 'EACCES') return false
    throw error
  }
}
