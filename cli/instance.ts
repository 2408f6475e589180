/** A running Holdfast: the bus, its functions, the clock, the triggers and the desk, from one configuration that may be reloaded. */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { type Cell, openCell } from '../bus/cell.ts'
import { startClock } from '../bus/clock.ts'
import { type BusAddress, connectBus } from '../bus/connect.ts'
import { type Embedded, startEmbedded } from '../bus/embedded.ts'
import { answerRequests } from '../bus/requests.ts'
import { type Serving, serve } from '../bus/serve.ts'
import { provision } from '../bus/streams.ts'
import { startTriggers, type Triggers } from '../bus/triggers.ts'
import { desk, functions } from '../functions/index.ts'
import type { Configuration } from '../infra/config.ts'
import { HoldfastError } from '../infra/errors.ts'
import { createTools, type Tools } from '../infra/tools.ts'
import { version } from './version.ts'

export interface InstanceOptions {
  configuration: Configuration
  stateDirectory: string
  log: Logger
  /** Reads the configuration again. */
  reread(): Promise<Configuration>
}

export interface Instance {
  readonly cell: Cell
  /** With the configuration in force. */
  tools(): Tools
  /** Takes a new configuration; an invalid one is refused aloud and the old one stays in force. */
  reload(): Promise<void>
  stop(): Promise<void>
}

/** How long running handlers may go on once we are asked to stop, ms. */
const DRAIN = 5000

export async function startInstance({ configuration, stateDirectory, log, reread }: InstanceOptions): Promise<Instance> {
  const embedded = configuration.nats ? undefined : await startEmbedded({ stateDirectory: join(stateDirectory), log })
  const cell = await openBus(configuration, addressOf(configuration, embedded), log)
  let tools = createTools(configuration)
  const serving = await serve({ cell, functions, hosts: configuration.hosts, tools: () => tools })
  const service = await answerRequests(cell, desk, () => tools, version())
  let triggers = await openTriggers(cell, configuration)
  const clock = startClock({ nc: cell.connection, prefix: cell.prefix, log })

  async function takeFresh(): Promise<void> {
    try {
      const fresh = await reread()
      refuseMoved(tools.configuration, fresh)
      await serving.serveHosts(fresh.hosts)
      const old = triggers
      triggers = await openTriggers(cell, fresh)
      tools = createTools(fresh)
      await old.stop()
      log.info({ file: fresh.file }, 'the configuration was read again and is in force')
    } catch (error) {
      log.error({ err: error }, 'the new configuration is refused; the old one stays in force')
    }
  }
  // A signal and the watched file may ask at once: two at a time would leave triggers open that nobody stops.
  let reloaded = Promise.resolve()
  const reload = () => {
    reloaded = reloaded.then(takeFresh)
    return reloaded
  }
  return {
    cell,
    tools: () => tools,
    reload,
    async stop() {
      await reloaded
      await clock.stop()
      await triggers.stop()
      await service.stop()
      await leave(serving, cell, embedded)
      await tools.close()
    },
  }
}

async function openBus(configuration: Configuration, address: BusAddress, log: Logger): Promise<Cell> {
  const { prefix, settings } = configuration
  const connection = await connectBus({ ...address, name: `holdfast ${version()}` })
  await provision(connection, { prefix, ackWait: settings.ackWait })
  return openCell(connection, { prefix, times: { ...settings, drain: DRAIN }, log })
}

function addressOf({ nats }: Configuration, embedded: Embedded | undefined): BusAddress {
  if (nats) return nats
  if (embedded) return { url: embedded.url, token: embedded.token }
  throw new Error('neither a configured nor an embedded bus')
}

function openTriggers(cell: Cell, { plans }: Configuration): Promise<Triggers> {
  const wanted = Object.entries(plans).map(([name, { on }]) => ({ name, on }))
  return startTriggers({ nc: cell.connection, prefix: cell.prefix, plans: wanted, log: cell.log })
}

/** What the running connection hangs on cannot change under it. */
function refuseMoved(old: Configuration, fresh: Configuration): void {
  const moved = (['prefix', 'nats', 'settings'] as const).filter(key => JSON.stringify(old[key]) !== JSON.stringify(fresh[key]))
  if (moved.length)
    throw new HoldfastError(`${moved.join(' and ')} changed`, { hint: 'Restart Holdfast for that.', retryable: false })
}

/** Handlers first, then the connection, then the server under it. */
async function leave(serving: Serving, cell: Cell, embedded: Embedded | undefined): Promise<void> {
  await serving.stop()
  await cell.connection.drain()
  await embedded?.stop()
}
