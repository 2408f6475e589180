/** A real nats-server with JetStream for the tests, on a free port and in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface NatsOptions {
  /** Lines for the server's configuration file: users, TLS, limits. */
  config?: string
  /** A store to go on with. Without it a temporary one, removed by `stop`. */
  storeDirectory?: string
  /** A fixed port. Without it any free one. */
  port?: number
  /** Clients need it where it is given. */
  token?: string
  /** False for a server that keeps nothing. */
  jetstream?: boolean
}

export interface NatsServer {
  readonly url: string
  readonly port: number
  readonly token: string | undefined
  readonly storeDirectory: string
  /** Of the process that runs now. */
  readonly pid: number
  /** Ends it with SIGTERM and removes what `startNats` made. May be called twice. */
  stop(): Promise<void>
  /** Ends it without warning. `restart` brings it back. */
  kill9(): Promise<void>
  /** Ends it where it still runs and starts it on the same port and store. */
  restart(): Promise<void>
}

/** Starts a server and returns when it accepts connections. It ends with the process that started it. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-nats-'))
  const storeDirectory = options.storeDirectory ?? join(home, 'store')
  const configFile = join(home, 'nats.conf')
  await writeFile(configFile, configOf(storeDirectory, options), { mode: 0o600 })
  const launch = (wanted: number) =>
    start(home, ['-c', configFile, '-a', '127.0.0.1', '-p', String(wanted), '--ports_file_dir', home])
  let { child, port } = await launch(options.port ?? -1)
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    token: options.token,
    storeDirectory,
    get pid() {
      return pidOf(child)
    },
    kill9: () => end(child, 'SIGKILL'),
    async restart() {
      await end(child, 'SIGTERM')
      ;({ child, port } = await launch(port))
    },
    async stop() {
      await end(child, 'SIGTERM')
      await rm(home, { recursive: true, force: true })
    },
  }
}

function configOf(storeDirectory: string, { config = '', token, jetstream: keeps = true }: NatsOptions): string {
  const jetstream = keeps ? `jetstream { store_dir: ${JSON.stringify(storeDirectory)} }` : ''
  const authorization = token ? `authorization { token: ${JSON.stringify(token)} }` : ''
  return [jetstream, authorization, config].join('\n')
}

async function start(home: string, argv: string[]): Promise<{ child: ChildProcess; port: number }> {
  const tied = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []
  const [program = '', ...rest] = [...tied, 'nats-server', ...argv]
  // Debian keeps servers out of a plain user's PATH.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin` }
  const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'], env })
  let said = ''
  child.stderr?.on('data', chunk => {
    said = (said + String(chunk)).slice(-4096)
  })
  await once(child, 'spawn')
  const portsFile = join(home, `nats-server_${pidOf(child)}.ports`)
  for (let tries = 0; tries < 2000; tries++) {
    const port = await readPort(portsFile)
    if (port !== undefined) return { child, port }
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`nats-server ended while it started: ${said}`)
    await sleep(5)
  }
  await end(child, 'SIGKILL')
  throw new Error(`nats-server did not get ready: ${said}`)
}

async function readPort(file: string): Promise<number | undefined> {
  if (!existsSync(file)) return undefined
  return Number(/:(\d+)"/.exec(await readFile(file, 'utf8'))?.[1]) || undefined
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('nats-server could not be started')
  return child.pid
}
