/** A whole Holdfast for the tests: a real bus, real functions and drivers, in one process and one temporary directory. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cell, openCell } from '../../bus/cell.ts'
import { connectBus } from '../../bus/connect.ts'
import { type DataOf, decode, type EventKind } from '../../bus/event.ts'
import { events, type TickData } from '../../bus/events.ts'
import { answerRequests } from '../../bus/requests.ts'
import { type Serving, serve } from '../../bus/serve.ts'
import { provision } from '../../bus/streams.ts'
import { desk, functions } from '../../functions/index.ts'
import type { Configuration, PlanConfig, SourceConfig, VaultConfig } from '../../infra/config.ts'
import { createLogger } from '../../infra/log.ts'
import { createTools, type Kinds, type Tools } from '../../infra/tools.ts'
import { type NatsServer, startNats } from './nats.ts'

export interface HouseOptions {
  directory: string
  sources: Record<string, Partial<SourceConfig> & Pick<SourceConfig, 'kind' | 'options'>>
  plans?: Record<string, Partial<PlanConfig>>
  vaults?: Record<string, Partial<VaultConfig> & Pick<VaultConfig, 'kind' | 'options'>>
  concurrency?: number
  /** Hosts besides `local`, all this machine, each with a root of its own. */
  hosts?: readonly string[]
  ackWait?: number
  attempts?: number
  /** A bus that runs already: then it is left alone. */
  server?: NatsServer
  kinds?: Kinds
  log?: string
}

export interface House {
  cell: Cell
  server: NatsServer
  tools: Tools
  configuration: Configuration
  root: string
  serving: Serving
  tick(data: TickData): Promise<void>
  /** Every stored fact of an event, oldest first. */
  said<E extends EventKind>(event: E): Promise<DataOf<E>[]>
  /** Waits until so many facts of the event are stored. */
  hears<E extends EventKind>(event: E, count?: number, seconds?: number): Promise<DataOf<E>[]>
  stop(): Promise<void>
}

/** A configuration as the reader would make it. */
export function configurationOf({
  directory,
  sources,
  plans = {},
  vaults = {},
  hosts = [],
  concurrency = 1,
  ackWait = 2000,
  attempts = 3,
}: HouseOptions): Configuration {
  const plan: PlanConfig = {
    schedule: [],
    zone: 'UTC',
    stagger: {},
    keep: { last: 3 },
    vaults: Object.keys(vaults),
    on: [],
    window: undefined,
    drill: undefined,
  }
  const named = Object.keys(plans).length ? plans : { nightly: {} }
  const map = <A, B>(entries: Record<string, A>, change: (value: A) => B) =>
    Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, change(value)]))
  return {
    file: join(directory, 'holdfast.yaml'),
    prefix: 'backup',
    nats: undefined,
    hosts: Object.fromEntries(['local', ...hosts].map(name => [name, hostOf(name, directory, concurrency)])),
    plans: map(named, given => ({ ...plan, ...given })),
    sources: map(sources, given => ({
      host: 'local',
      plans: Object.keys(named),
      service: undefined,
      health: undefined,
      ...given,
    })),
    vaults: map(vaults, given => ({ required: true, keep: undefined, ...given })),
    settings: { ackWait, heartbeat: ackWait / 4, attempts, tickMaxAge: 3600_000 },
  }
}

function hostOf(name: string, directory: string, concurrency: number): Configuration['hosts'][string] {
  return name === 'local'
    ? { label: 'here', root: join(directory, 'backups'), concurrency }
    : { label: name, root: join(directory, name), concurrency }
}

export async function openHouse(options: HouseOptions): Promise<House> {
  const configuration = configurationOf(options)
  const root = join(options.directory, 'backups')
  await mkdir(root, { recursive: true })
  const server = options.server ?? (await startNats())
  const connection = await connectBus({ url: server.url, token: server.token, name: 'house' })
  const { prefix, settings } = configuration
  await provision(connection, { prefix, ackWait: settings.ackWait })
  const log = createLogger({ level: options.log ?? process.env.LOG ?? 'silent' })
  const cell = openCell(connection, { prefix, times: { ...settings, drain: 1000 }, log })
  const tools = createTools(configuration, options.kinds)
  const serving = await serve({ cell, functions, hosts: configuration.hosts, tools: () => tools })
  const service = await answerRequests(cell, desk, () => tools, '0.0.0')
  const said: House['said'] = event => storedFacts(cell, event)
  return {
    cell,
    server,
    tools,
    configuration,
    root,
    serving,
    async tick(data) {
      await cell.exchange.store(`${prefix}.tick`, JSON.stringify(data))
    },
    said,
    async hears(event, count = 1, seconds = 25) {
      for (const until = Date.now() + seconds * 1000; Date.now() < until; await sleep(25)) {
        const found = await said(event)
        if (found.length >= count) return found
      }
      throw new Error(
        `${event.type} was not said ${count} times within ${seconds} s; said: ${JSON.stringify(await subjects(cell))}`,
      )
    },
    async stop() {
      await service.stop()
      await serving.stop()
      await connection.close()
      await tools.close()
      if (!options.server) await server.stop()
    },
  }
}

export { events }

/** The subjects of every stored fact, and how many there are of each. */
export async function subjects(cell: Cell, filter = `${cell.prefix}.*.>`): Promise<Record<string, number>> {
  const jsm = await cell.connection.jetstreamManager()
  return (await jsm.streams.info(cell.stream, { subjects_filter: filter })).state.subjects ?? {}
}

async function storedFacts<E extends EventKind>(cell: Cell, event: E): Promise<DataOf<E>[]> {
  const names = Object.keys(await subjects(cell, `${cell.prefix}.${event.type}.>`))
  const facts = await Promise.all(
    names.map(async subject => {
      const message = await cell.connection.request(`$JS.API.DIRECT.GET.${cell.stream}.${subject}`)
      return {
        sequence: Number(message.headers?.get('Nats-Sequence')),
        data: decode(cell.prefix, event, subject, message.data).data,
      }
    }),
  )
  return facts.toSorted((a, b) => a.sequence - b.sequence).map(({ data }) => data as DataOf<E>)
}
