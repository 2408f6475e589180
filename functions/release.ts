/** Lets go of what snapshot held and of what export left unfinished. Uses the fact's data alone: the source may be gone by now. */
import { events } from '../bus/events.ts'
import { letGo } from '../bus/hold.ts'
import { cleanUnfinished } from '../infra/backups.ts'
import { directoryName } from '../infra/layout.ts'
import type { Json } from '../infra/sources/source.ts'
import { defineFunction, type FunctionContext } from './define.ts'

interface Named {
  id: string
  source: string
  host: string
}

export default defineFunction({
  name: 'release',
  on: [events.snapshot.failed, events.export.done, events.export.failed],
  emits: [events.release.done, events.release.retrying],
  remembers: ['run'],
  // 24 hours of growing delays for an ack_wait of 30 s; people hear of it from the third failure on.
  retry: { attempts: 28, sayFrom: 3 },
  async handle(backup, context) {
    const { id, source, host, kind, day } = backup
    // What could not be read and names no backup holds nothing.
    if (id === undefined || source === undefined || host === undefined) return []
    const named = { id, source, host }
    const released: string[] = []
    const snapshot = 'snapshot' in backup ? backup.snapshot : undefined
    if (snapshot && kind && (await releaseKind(kind, snapshot.held, named, context))) released.push(kind)
    if (!snapshot && (await abandonKind(named, context))) released.push('what its snapshot had begun')
    // An export that is done has renamed its partial, and removed those of earlier tries.
    const root = 'error' in backup && 'root' in backup ? backup.root : undefined
    if (root && day)
      released.push(
        ...(await cleanUnfinished(context.tools.host(host), root, { source, backup: { day, name: directoryName({ id, day }) } })),
      )
    await letGo(named, context)
    return events.release.done({ ...named, released: released.slice(0, 100) })
  },
})

async function releaseKind(kind: string, held: Json, named: Named, context: FunctionContext): Promise<boolean> {
  const { tools, signal, progress } = context
  const driver = tools.kind(kind)
  if (!driver?.release) return false
  await driver.release({
    ...named,
    host: tools.host(named.host),
    signal,
    progress,
    warn: message => context.log.warn(message),
    held,
  })
  return true
}

/** A snapshot that failed has said nothing of what it holds: only a source that is still configured can tell. */
async function abandonKind(named: Named, context: FunctionContext): Promise<boolean> {
  const { tools, signal, progress } = context
  if (!Object.hasOwn(tools.configuration.sources, named.source)) return false
  const { driver, host, hostConfig, config } = tools.source(named.source)
  if (!driver.abandon) return false
  const warn = (message: string) => context.log.warn(message)
  await driver.abandon({ ...named, host, root: hostConfig.root, options: config.options, signal, progress, warn })
  return true
}
