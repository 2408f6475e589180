/** The version, from the one place that states it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Of the package.json above this file: one step up in a clone, two where it was compiled. */
export function version(): string {
  for (let directory = import.meta.dirname; directory !== dirname(directory); directory = dirname(directory)) {
    const file = join(directory, 'package.json')
    if (existsSync(file)) return versionIn(JSON.parse(readFileSync(file, 'utf8')))
  }
  throw new Error('package.json of holdfast is not above its own files')
}

/** Looked at by hand: nobody who asks for the version waits for a schema library. */
function versionIn(found: unknown): string {
  const isOurs = typeof found === 'object' && found !== null && 'name' in found && found.name === 'holdfast'
  if (isOurs && 'version' in found && typeof found.version === 'string') return found.version
  throw new Error('the package.json above the files of holdfast is not its own')
}
