/** The version, from the one place that states it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const Package = z.object({ name: z.literal('holdfast'), version: z.string() })

/** Of the package.json above this file: one step up in a clone, two where it was compiled. */
export function version(): string {
  for (let directory = import.meta.dirname; directory !== dirname(directory); directory = dirname(directory)) {
    const file = join(directory, 'package.json')
    if (existsSync(file)) return Package.parse(JSON.parse(readFileSync(file, 'utf8'))).version
  }
  throw new Error('package.json of holdfast is not above its own files')
}
