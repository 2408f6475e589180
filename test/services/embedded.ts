/** A state directory for an embedded bus, the buses and processes started on it, and what is stored there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from 'nats'
import { connectBus } from '../../bus/connect.ts'
import { type Embedded, type EmbeddedOptions, startEmbedded } from '../../bus/embedded.ts'
import { provision } from '../../bus/streams.ts'

export interface Address {
  url: string
  token: string
}

/** A process of its own that runs the embedded bus. */
export interface Owner {
  process: ChildProcess
  bus: Address & { pid: number; adopted: boolean }
}

export interface Place {
  home: string
  stateDirectory: string
  start(tie?: EmbeddedOptions['tie']): Promise<Embedded>
  startProcess(tie?: EmbeddedOptions['tie']): Promise<Owner>
  connected(bus: Address): Promise<NatsConnection>
  storeFact(bus: Address): Promise<void>
  storedFact(bus: Address): Promise<string>
  /** Called, last first, by `close`. */
  cleanups: (() => unknown)[]
  close(): Promise<void>
}

const SUBJECT = 'backup.export.done.h.s.i'

export async function openPlace(): Promise<Place> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-embedded-'))
  const stateDirectory = join(home, 'state')
  const cleanups: Place['cleanups'] = []
  const connected = async ({ url, token }: Address) => {
    const connection = await connectBus({ url, token, name: 'test', timeout: 3000 })
    cleanups.push(() => connection.close())
    return connection
  }
  return {
    home,
    stateDirectory,
    cleanups,
    connected,
    async start(tie) {
      const bus = await startEmbedded({ stateDirectory, ...(tie ? { tie } : {}) })
      cleanups.push(() => bus.stop())
      return bus
    },
    async startProcess(tie = 'kernel') {
      const owner = await startOwner(stateDirectory, tie)
      cleanups.push(() => kill9(owner.process))
      return owner
    },
    async storeFact(bus) {
      const connection = await connected(bus)
      await provision(connection, { prefix: 'backup', ackWait: 2000 })
      await connection.jetstream().publish(SUBJECT, 'kept')
    },
    async storedFact(bus) {
      return (await (await connected(bus)).request(`$JS.API.DIRECT.GET.BACKUP.${SUBJECT}`)).string()
    },
    async close() {
      for (const cleanup of cleanups.reverse()) await cleanup()
      await rm(home, { recursive: true, force: true })
    },
  }
}

async function startOwner(stateDirectory: string, tie: string): Promise<Owner> {
  const script = join(import.meta.dirname, 'embedded-process.ts')
  const child = spawn(process.execPath, [script, stateDirectory, tie], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  return { process: child, bus: JSON.parse(String(line)) }
}

export async function kill9(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
