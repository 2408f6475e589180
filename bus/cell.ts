/** One installation on one bus, opened: the connection, its stream, its buckets, and the times in force. */
import { hostname } from 'node:os'
import type { NatsConnection } from 'nats'
import type { Logger } from 'pino'
import { type Bucket, openBucket } from './bucket.ts'
import { exchangeOf } from './exchange.ts'
import type { FactStore } from './facts.ts'
import type { Memory } from './function.ts'
import { type LeaseTimes, leaseTimes } from './lease.ts'
import { openMemory } from './memory.ts'
import { streamNames } from './streams.ts'

/** Milliseconds. */
export interface Times {
  ackWait: number
  heartbeat: number
  /** Tries of a step, where the function does not say. */
  attempts: number
  /** How long running handlers may go on after SIGTERM. */
  drain: number
}

export interface Cell extends FactStore {
  connection: NatsConnection
  /** Who we are, in leases and facts. */
  worker: string
  times: Times
  lease: LeaseTimes
  log: Logger
  work: Bucket
  waits: Bucket
  run: Memory
  planned: Memory
}

export interface CellOptions {
  prefix: string
  times: Times
  log: Logger
}

/** Opens what `provision` made. */
export function openCell(connection: NatsConnection, { prefix, times, log }: CellOptions): Cell {
  const names = streamNames(prefix)
  const bucket = (name: string) => openBucket(connection, name)
  return {
    prefix,
    stream: names.facts,
    connection,
    exchange: exchangeOf(connection),
    worker: `${hostname()}.${process.pid}`,
    times,
    lease: leaseTimes(times.ackWait),
    log,
    work: bucket(names.work),
    waits: bucket(names.waits),
    run: openMemory(bucket(names.run)),
    planned: openMemory(bucket(names.planned)),
  }
}
