/** Our place in the queue for the store: a candidate of ours is always there, waiting or serving, until we leave. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Candidate, launch, type Tie } from './candidate.ts'
import { serverName } from './find.ts'
import { type BusRecord, type Home, lastComplaint, readPorts, readRecord, writeConfig, writeRecord } from './home.ts'

export interface Seat {
  /** The name that our server answers with. */
  readonly name: string
  /** Where the bus is, once it is known. */
  record: BusRecord | undefined
  /** True while the server is ours. */
  owner: boolean
  /** Why the server cannot be started, while none was ever seen. */
  trouble: string | undefined
  /** Ends our candidate, server or not, and waits for it. */
  leave(): Promise<void>
}

interface Keeping {
  home: Home
  seat: Seat
  log: Logger | undefined
  tie: Tie | undefined
  leaving: AbortSignal
  candidate: Candidate | undefined
  /** Candidates in a row that ended without serving. */
  failures: number
}

export function takeSeat(home: Home, log: Logger | undefined, tie: Tie | undefined): Seat {
  const leaving = new AbortController()
  const name = `holdfast-${randomBytes(8).toString('hex')}`
  const seat: Seat = { name, record: undefined, owner: false, trouble: undefined, leave }
  const keeping: Keeping = { home, seat, log, tie, leaving: leaving.signal, candidate: undefined, failures: 0 }
  const kept = keep(keeping)
  return seat

  async function leave(): Promise<void> {
    leaving.abort()
    await keeping.candidate?.stop()
    await kept
  }
}

async function keep(keeping: Keeping): Promise<void> {
  const { seat, log, leaving } = keeping
  while (!leaving.aborted) {
    try {
      const why = await oneLife(keeping)
      if (leaving.aborted) return
      log?.warn(`bus: ${why}; starting again`)
      // The first time it may be the port, which somebody else took.
      if (keeping.failures > 1) seat.trouble = (await lastComplaint(keeping.home)) ?? why
    } catch (error) {
      keeping.failures++
      seat.trouble = error instanceof Error ? error.message : String(error)
      log?.error({ err: error }, 'bus: the server cannot be started; trying again')
    }
    await sleep(Math.min(25 * 2 ** keeping.failures, 5000), undefined, { signal: leaving }).catch(() => undefined)
  }
}

/** One candidate from its start to its end, to what is known of why it ended. */
async function oneLife(keeping: Keeping): Promise<string> {
  const { home, seat, tie, leaving } = keeping
  await writeConfig(home, await portToAsk(keeping))
  const candidate = await launch(home, seat.name, tie)
  keeping.candidate = candidate
  if (leaving.aborted) await candidate.stop()
  const served = await becomesOwner(home, seat, candidate)
  keeping.failures = served ? 0 : keeping.failures + 1
  const why = await candidate.ended
  seat.owner = false
  return why
}

/** The port of the last server, so that clients come back by themselves. It is given up only while none knows it from us. */
async function portToAsk({ home, seat, failures }: Keeping): Promise<number> {
  if (seat.record) return portOf(seat.record.url)
  const last = failures === 0 ? await readRecord(home.stateDirectory) : undefined
  return last ? portOf(last.url) : -1
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** Waits until the candidate has the lock and serves; false where it ended before. */
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
    // While somebody else is the owner, who that is may change.
    if (seat.record) seat.record = (await readRecord(home.stateDirectory)) ?? seat.record
    await Promise.race([sleep(looks < 200 ? 5 : 250), candidate.ended])
  }
  return false
}

/** The configuration first: who reads the record may have to start with it. */
async function announce(home: Home, seat: Seat, record: BusRecord): Promise<void> {
  await writeConfig(home, portOf(record.url))
  await writeRecord(home, record)
  seat.record = record
  seat.owner = true
}
