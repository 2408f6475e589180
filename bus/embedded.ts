/** A private NATS server for one machine: started, locked, tied to our life, shared with whoever starts on the same store, and kept running. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Candidate, launch, type Tie } from './embedded/candidate.ts'
import { serverName } from './embedded/find.ts'
import {
  BusNotStarted,
  type BusRecord,
  type Home,
  prepareHome,
  readPorts,
  readRecord,
  writeConfig,
  writeRecord,
} from './embedded/home.ts'

export { defaultStateDirectory, findBus } from './embedded/find.ts'

export interface EmbeddedOptions {
  stateDirectory: string
  log?: Logger
  /** How the server is tied to this process; found out where it is not given. */
  tie?: Tie
}

export interface Embedded {
  /** Stay the same whoever runs the server, so that clients come back by themselves. */
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
 */
export async function startEmbedded({ stateDirectory, log, tie }: EmbeddedOptions): Promise<Embedded> {
  const home = await prepareHome(stateDirectory)
  const seat = takeSeat(home, log, tie)
  try {
    await firstAnswer(home, seat)
  } catch (error) {
    await seat.leave()
    throw error
  }
  const record = () => seat.record ?? raise(new BusNotStarted('bus: no server yet', 'Start it first.'))
  return {
    get url() {
      return record().url
    },
    token: home.token,
    get pid() {
      return record().pid
    },
    get adopted() {
      return !seat.owner
    },
    stop: () => seat.leave(),
  }
}

/** Our place in the queue for the lock. */
interface Seat {
  readonly name: string
  record: BusRecord | undefined
  owner: boolean
  /** Why the server did not start, while it never did. */
  trouble: string | undefined
  leave(): Promise<void>
}

function takeSeat(home: Home, log: Logger | undefined, tie: Tie | undefined): Seat {
  const leaving = new AbortController()
  let candidate: Candidate | undefined
  const seat: Seat = {
    name: `holdfast-${randomBytes(8).toString('hex')}`,
    record: undefined,
    owner: false,
    trouble: undefined,
    async leave() {
      leaving.abort()
      await candidate?.stop()
      await kept
    },
  }
  const kept = keep()
  return seat

  async function keep(): Promise<void> {
    for (let failures = 0; !leaving.signal.aborted; failures++) {
      try {
        // A port that somebody else took can be given up only while nobody knows it.
        const port = failures > 0 && !seat.record ? undefined : (seat.record ?? (await readRecord(home.stateDirectory)))?.url
        await writeConfig(home, port === undefined ? -1 : Number(new URL(port).port))
        candidate = await launch(home, seat.name, tie)
        if (leaving.signal.aborted) await candidate.stop()
        if (await becomesOwner(home, seat, candidate)) failures = 0
        const why = await candidate.ended
        if (leaving.signal.aborted) return
        log?.warn({ pid: candidate.pid }, `bus: ${why}; starting again`)
        if (!seat.record) seat.trouble = failures > 0 ? why : undefined
      } catch (error) {
        seat.trouble = error instanceof Error ? error.message : String(error)
        log?.error({ err: error }, 'bus: the server cannot be started; trying again')
      }
      seat.owner = false
      await sleep(Math.min(25 * 2 ** failures, 5000), undefined, { signal: leaving.signal }).catch(() => undefined)
    }
  }
}

/** Waits until the process has the lock and serves; false where it ended before. */
async function becomesOwner(home: Home, seat: Seat, candidate: Candidate): Promise<boolean> {
  let gone = false
  void candidate.ended.then(() => {
    gone = true
  })
  for (let looks = 0; !gone; looks++) {
    const url = await readPorts(home, candidate.pid)
    if (url !== undefined && (await serverName({ url, token: home.token })) === seat.name) {
      await announce(home, seat, { url, token: home.token, pid: candidate.pid, started: new Date().toISOString() })
      return true
    }
    // While another one owns it, who that is may change.
    if (seat.record) seat.record = (await readRecord(home.stateDirectory)) ?? seat.record
    await Promise.race([sleep(looks < 200 ? 5 : 250), candidate.ended])
  }
  return false
}

/** The configuration first: who reads the record may have to start with it. */
async function announce(home: Home, seat: Seat, record: BusRecord): Promise<void> {
  await writeConfig(home, Number(new URL(record.url).port))
  await writeRecord(home, record)
  seat.record = record
  seat.owner = true
}

async function firstAnswer(home: Home, seat: Seat): Promise<void> {
  const deadline = Date.now() + READY_WITHIN
  while (!seat.owner) {
    if (seat.trouble) throw new BusNotStarted(`bus: ${seat.trouble}`, `See ${home.directory}/nats.log`)
    const record = await readRecord(home.stateDirectory)
    const name = record && (await serverName(record))
    if (name !== undefined && name !== seat.name) {
      seat.record = record
      return
    }
    if (Date.now() > deadline)
      throw new BusNotStarted(`bus: ${home.lockFile} is held, but no server answers`, `See who holds it: fuser ${home.lockFile}`)
    await sleep(10)
  }
}

function raise(error: Error): never {
  throw error
}
