/** Every kind of source there is, one line each. */
import { files } from './files.ts'
import type { Source } from './source.ts'
import { sqlite } from './sqlite.ts'
import { vm } from './vm.ts'

/** The verbs are given what the kind's own schema made of the options: the configuration sees to that. */
export const sources: readonly Source[] = [files, sqlite, vm]

/** The kind by its name; undefined where there is none. */
export function sourceOf(kind: string): Source | undefined {
  return sources.find(source => source.kind === kind)
}
