/** A private NATS server for one machine: started, locked, tied to our life, shared with whoever starts on the same store, and kept running. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Tie } from './embedded/candidate.ts'
import { serverName } from './embedded/find.ts'
import { BusNotStarted, type BusRecord, type Home, prepareHome, readRecord } from './embedded/home.ts'
import { type Seat, takeSeat } from './embedded/seat.ts'

export { defaultStateDirectory, findBus } from './embedded/find.ts'

export interface EmbeddedOptions {
  stateDirectory: string
  log?: Logger
  /** How the server is tied to this process; found out where it is not given. */
  tie?: Tie
}

export interface Embedded {
  /** Address and token stay the same whoever runs the server, so that clients come back by themselves. */
  readonly url: string
  readonly token: string
  /** Of the server that runs now. */
  readonly pid: number
  /** True while another process runs the server. */
  readonly adopted: boolean
  /** Ends the server if it is ours, and stops waiting for it if it is not. */
  stop(): Promise<void>
}

/** Milliseconds for a server that recovers a large store. */
const READY_WITHIN = 60_000

/**
 * Starts the server of this state directory, or joins the one that runs. From then on this process stands ready to be the
 * next owner: when the server dies, or the process that ran it, one of those who wait takes over on the same port and store.
 * To be called from the main thread: where the kernel ends the server with us, it looks at the thread that started it.
 */
export async function startEmbedded({ stateDirectory, log, tie }: EmbeddedOptions): Promise<Embedded> {
  const home = await prepareHome(stateDirectory)
  const seat = takeSeat(home, log, tie)
  try {
    const first = await firstAnswer(home, seat)
    return embedded(seat, first)
  } catch (error) {
    await seat.leave()
    throw error
  }
}

function embedded(seat: Seat, first: BusRecord): Embedded {
  return {
    get url() {
      return (seat.record ?? first).url
    },
    token: first.token,
    get pid() {
      return (seat.record ?? first).pid
    },
    get adopted() {
      return !seat.owner
    },
    stop: () => seat.leave(),
  }
}

/** Our own server's address, or that of whoever has the lock. */
async function firstAnswer(home: Home, seat: Seat): Promise<BusRecord> {
  const deadline = Date.now() + READY_WITHIN
  while (Date.now() < deadline) {
    if (seat.owner && seat.record) return seat.record
    if (seat.trouble) throw new BusNotStarted(`bus: ${seat.trouble}`, `See ${home.directory}/nats.log`)
    const record = await readRecord(home.stateDirectory)
    const name = record && (await serverName(record))
    if (record && name !== undefined && name !== seat.name) {
      seat.record = record
      return record
    }
    await sleep(5)
  }
  throw new BusNotStarted(`bus: ${home.lockFile} is held, but no server answers`, `See who holds it: fuser ${home.lockFile}`)
}
