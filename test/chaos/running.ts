/** A worker on a bus: the real functions, as the command line composes them. */
import { type Cell, openCell } from '../../bus/cell.ts'
import { connectBus } from '../../bus/connect.ts'
import type { AnyFunction } from '../../bus/function.ts'
import { serve } from '../../bus/serve.ts'
import { provision } from '../../bus/streams.ts'
import { functions } from '../../functions/index.ts'
import type { Configuration } from '../../infra/config.ts'
import { createLogger } from '../../infra/log.ts'
import { createTools, type Tools } from '../../infra/tools.ts'

export interface Address {
  url: string
  token?: string | undefined
}

export interface Worker {
  cell: Cell
  tools: Tools
  stop(): Promise<void>
}

/** A connection that watches and works on nothing. */
export async function openWatcher(address: Address, configuration: Configuration): Promise<Worker> {
  const { prefix, settings } = configuration
  const connection = await connectBus({ ...address, name: 'chaos' })
  await provision(connection, { prefix, ackWait: settings.ackWait })
  const log = createLogger({ level: process.env.LOG ?? 'silent' })
  const cell = openCell(connection, { prefix, times: { ...settings, drain: 1000 }, log })
  const tools = createTools(configuration)
  return {
    cell,
    tools,
    async stop() {
      // Not closed at once: the client's pulls would go on and complain.
      await connection.drain()
      await tools.close()
    },
  }
}

export interface WorkOptions {
  functions?: readonly AnyFunction<Tools>[]
  change?: (cell: Cell) => Cell
}

export async function openWorker(
  address: Address,
  configuration: Configuration,
  { functions: given = functions, change = cell => cell }: WorkOptions = {},
): Promise<Worker> {
  const { cell: plain, tools, stop } = await openWatcher(address, configuration)
  const cell = change(plain)
  const serving = await serve({ cell, functions: given, hosts: configuration.hosts, tools: () => tools })
  return {
    cell,
    tools,
    async stop() {
      await serving.stop()
      await stop()
    },
  }
}
