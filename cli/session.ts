/** What every command begins with: which configuration, which state directory, and the running instance if there is one. */
import { existsSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { type BusAddress, BusUnreachable, connectBus } from '../bus/connect.ts'
import { defaultStateDirectory, findBus } from '../bus/embedded.ts'
import { type Visitor, visit } from '../bus/visitor.ts'
import { shownAddress } from '../infra/addresses.ts'
import { type Configuration, readConfiguration } from '../infra/config.ts'
import { InvalidInput } from '../infra/errors.ts'
import { createTools, type Tools } from '../infra/tools.ts'
import { NotRunning } from './errors.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  config?: string
  state?: string
}

export interface Session extends AsyncDisposable {
  configuration: Configuration
  tools: Tools
  stateDirectory: string
  /** The bus of the running instance; undefined where none answers. Connected once. */
  bus(): Promise<Visitor | undefined>
  /** The same; throws `NotRunning`, which is exit code 3, unless a worker answers. */
  running(): Promise<Visitor>
  /** Why there is none, once it was looked for. */
  absent(): NotRunning
}

/** How long a command waits for a bus that is configured, ms. */
const CONNECT_LIMIT = 3000

/** The file named with --config, else ./holdfast.yaml, else the machine's. As a person would write it. */
export function configurationFile({ config }: GlobalOptions): string {
  if (config !== undefined) return config
  const machines = '/etc/holdfast/holdfast.yaml'
  return !existsSync('holdfast.yaml') && existsSync(machines) ? machines : 'holdfast.yaml'
}

/** The directory named with --state, else the user's own. */
export function stateDirectoryOf({ state }: GlobalOptions): string {
  const directory = state === undefined ? defaultStateDirectory(process.env) : resolve(state)
  requireDirectory(directory, directory)
  return directory
}

/** It may be new; then the nearest one above it counts. */
function requireDirectory(path: string, wanted: string): void {
  const there = statSync(path, { throwIfNoEntry: false })
  if (!there && dirname(path) !== path) requireDirectory(dirname(path), wanted)
  if (there && !there.isDirectory())
    throw new InvalidInput(`the state cannot be in ${wanted}: ${path} is not a directory`, {
      hint: 'Name a directory, which may be new: --state DIRECTORY',
    })
}

/** Reads the configuration; throws `ConfigurationInvalid` with everything that is wrong in it. */
export async function openSession(options: GlobalOptions): Promise<Session> {
  const configuration = await readConfiguration(configurationFile(options))
  const tools = createTools(configuration)
  const stateDirectory = stateDirectoryOf(options)
  let found: Visitor | BusUnreachable | undefined
  let looked = false
  const bus = async () => {
    if (!looked) found = await connect(configuration, stateDirectory)
    looked = true
    return found instanceof BusUnreachable ? undefined : found
  }
  const absent = () => notRunning(configuration, stateDirectory, found instanceof BusUnreachable ? found : undefined)
  return {
    configuration,
    tools,
    stateDirectory,
    bus,
    absent,
    async running() {
      const visitor = await bus()
      if (visitor && (await visitor.served())) return visitor
      throw absent()
    },
    async [Symbol.asyncDispose]() {
      if (!(found instanceof BusUnreachable)) await found?.close()
      await tools.close()
    },
  }
}

/** Where the bus is: the configured one, or the embedded one that runs with this state; undefined where none does. */
export async function busAddress(configuration: Configuration, stateDirectory: string): Promise<BusAddress | undefined> {
  return configuration.nats ?? (await findBus(stateDirectory))
}

export function notRunning({ nats }: Configuration, stateDirectory: string, away?: BusUnreachable): NotRunning {
  if (away) return new NotRunning(away.message, { hint: away.hint, cause: away })
  const where = nats ? `on ${[nats.url].flat().map(shownAddress).join(', ')}` : `with the state in ${shortened(stateDirectory)}`
  const hint = nats
    ? 'Start it: holdfast up'
    : 'Start it: holdfast up. If it runs with another state directory, name that: --state DIR'
  return new NotRunning(`no Holdfast runs ${where}`, { hint })
}

/** A bus that is away or refuses us stands in nobody's way who can do without. */
async function connect(configuration: Configuration, stateDirectory: string): Promise<Visitor | BusUnreachable | undefined> {
  const address = await busAddress(configuration, stateDirectory)
  if (!address) return undefined
  try {
    const connection = await connectBus({ ...address, name: 'holdfast command', timeout: CONNECT_LIMIT })
    return visit(connection, configuration.prefix)
  } catch (error) {
    if (error instanceof BusUnreachable) return error
    throw error
  }
}

function shortened(path: string): string {
  const near = relative(process.cwd(), path)
  return near.startsWith('..') || near === '' ? path : near
}
