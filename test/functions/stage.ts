/** What a handler stands on when it is simply called: real drivers and files, and a bus that is two maps. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Concern, type Fact, subjectOf } from '../../bus/event.ts'
import type { Memory } from '../../bus/function.ts'
import type { FunctionContext } from '../../functions/define.ts'
import { createLogger } from '../../infra/log.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { createTools } from '../../infra/tools.ts'
import { vaultOf } from '../../infra/vaults/all.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { configurationOf, type HouseOptions } from '../services/house.ts'

export interface Stage {
  directory: string
  root: string
  tools: FunctionContext['tools']
  run: Memory
  planned: Memory
  /** What one message's handler gets. */
  context(change?: Partial<FunctionContext>): FunctionContext
  /** The bus has stored it: `find` finds it. */
  store(...facts: Fact[]): void
}

/** Sources of the kind files, `docs` unless told otherwise, and the vaults that are named. */
export async function openStage(options: Partial<HouseOptions> & { files?: Record<string, object> } = {}): Promise<Stage> {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'backups'))
  const paths = sourceOf('files')?.options.parse({ paths: [join(directory, 'data')] })
  const sources = Object.fromEntries(
    Object.entries(options.files ?? { docs: {} }).map(([name, more]) => [name, { kind: 'files', options: paths, ...more }]),
  )
  const tools = createTools(configurationOf({ directory, sources, ...options }))
  onTestFinished(() => tools.close())
  const facts = new Map<string, Concern>()
  const [run, planned] = [memory(), memory()]
  return {
    ...{ directory, root: join(directory, 'backups'), tools, run, planned },
    context: change => ({
      tools,
      signal: new AbortController().signal,
      log: createLogger({ level: 'silent' }),
      cause: { id: 'tick-1', time: new Date(), sequence: 1, behind: 0 },
      ...{ came: 'tick', attempt: 1, redelivered: false, fence: 1 },
      progress: () => {},
      find: async (event, concern) => {
        const found = facts.get(subjectOf('backup', { event, data: concern }))
        return found && event.schema.parse(found)
      },
      ...{ run, planned },
      ...change,
    }),
    store(...said) {
      for (const fact of said) facts.set(subjectOf('backup', fact), fact.data)
    },
  }
}

/** A vault in a directory. */
export function nas(path: string, required = true): NonNullable<HouseOptions['vaults']>[string] {
  return { kind: 'rsync', options: vaultOf('rsync')?.options.parse({ path }), required }
}

function memory(): Memory {
  const entries = new Map<string, { value: string; revision: number }>()
  let revision = 0
  const set = (key: string, value: string) => void entries.set(key, { value, revision: ++revision })
  return {
    get: async key => entries.get(key),
    async create(key, value) {
      const fresh = !entries.has(key)
      if (fresh) set(key, value)
      return fresh
    },
    put: async (key, value) => set(key, value),
    remove: async (key, known) => entries.get(key)?.revision === known && entries.delete(key),
  }
}
