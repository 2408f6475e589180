/** Tests on real programs: where one is missing they are skipped aloud, and in CI they fail. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'

/** A program on the PATH, or the right to mount and to change owners. */
export type Requirement = 'root' | (string & {})

/** `describe` where everything is there, otherwise `describe.skip`: `requires('rsync')('rsync vault', () => { … })` */
export function requires(...requirements: readonly Requirement[]): (name: string, suite: () => void) => void {
  return available(...requirements) ? describe : describe.skip
}

/** The same as a flag, for `test.skipIf(!available('tar'))`. Throws in CI where something is missing. */
export function available(...requirements: readonly Requirement[]): boolean {
  const missing = requirements.filter(requirement => !(requirement === 'root' ? process.getuid?.() === 0 : onPath(requirement)))
  if (missing.length === 0) return true
  const message = `These tests need ${missing.join(', ')}`
  if (process.env.CI === 'true') throw new Error(`${message}; with CI=true nothing is skipped. Install it.`)
  console.warn(`${message}: skipped.`)
  return false
}

function onPath(program: string): boolean {
  // Debian keeps mount, losetup and their like out of a plain user's PATH.
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return directories.some(directory => executable(join(directory, program)))
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
