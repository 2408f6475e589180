/** What the bus keeps: two streams and four buckets per cell. */
import {
  DiscardPolicy,
  ErrorCode,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats'
import { BusUnreachable } from './connect.ts'
import { BusMismatch, differences, refusalOf } from './mismatch.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

export interface StreamNames {
  facts: string
  ticks: string
  /** Buckets. A bucket's stream is `KV_` and its name. */
  work: string
  run: string
  planned: string
  waits: string
}

/** `BACKUP` and `TICK` for the prefix `backup`; no two prefixes share a name. */
export function streamNames(prefix: string): StreamNames {
  const cell = prefix.replaceAll('_', '__').replaceAll('.', '_').toUpperCase()
  const [facts, ticks] = prefix === 'backup' ? ['BACKUP', 'TICK'] : [`${cell}-facts`, `${cell}-tick`]
  return { facts, ticks, work: `${cell}_work`, run: `${cell}_run`, planned: `${cell}_planned`, waits: `${cell}_waits` }
}

/** The subject on which anyone may publish a tick. */
export function tickSubject(prefix: string): string {
  return `${prefix}.tick`
}

export interface ProvisionOptions {
  prefix: string
  /** Milliseconds. A lease outlives one and a half of them without being renewed. */
  ackWait: number
  replicas?: number
}

/** Makes the streams and buckets of a cell, or mends their settings. May run any number of times, by several at once. */
export async function provision(nc: NatsConnection, options: ProvisionOptions): Promise<StreamNames> {
  const jsm = await managerOf(nc)
  for (const config of streamsOf(options)) await ensureStream(jsm, config)
  return streamNames(options.prefix)
}

async function managerOf(nc: NatsConnection): Promise<JetStreamManager> {
  try {
    return await nc.jetstreamManager()
  } catch (error) {
    throw isSilence(error) ? unanswered(`on ${nc.getServer()}`, error) : error
  }
}

/** Switched off, without a leader, or just starting: the server does not tell these apart. */
function isSilence(error: unknown): boolean {
  return error instanceof NatsError && [ErrorCode.Timeout, ErrorCode.JetStreamNotEnabled].some(code => code === error.code)
}

function unanswered(place: string, cause: unknown): BusUnreachable {
  const hint =
    'If it has just started, it comes. Otherwise switch JetStream on in its configuration: jetstream { store_dir: "…" }.'
  return new BusUnreachable(`nats: JetStream does not answer ${place}`, { hint, retryable: true, cause })
}

type WantedStream = Partial<StreamConfig> & { name: string }

function streamsOf({ prefix, ackWait, replicas = 1 }: ProvisionOptions): WantedStream[] {
  const names = streamNames(prefix)
  const log = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
    allow_direct: true,
  }
  const kept = { ...log, deny_purge: true, deny_delete: true, duplicate_window: nanos(60 * MINUTE) }
  return [
    { ...kept, name: names.facts, subjects: [`${prefix}.*.>`], max_age: nanos(90 * DAY) },
    // No age limit: the last tick stays readable however long nothing ticked.
    { ...kept, name: names.ticks, subjects: [tickSubject(prefix)], max_msgs_per_subject: 5000 },
    bucket(names.work, replicas, 1.5 * ackWait),
    bucket(names.run, replicas),
    bucket(names.planned, replicas),
    bucket(names.waits, replicas, 7 * DAY),
  ]
}

/** Only the whole bucket may have a time limit: servers before 2.11 ignore one per key without a word. */
function bucket(name: string, replicas: number, timeToLive = 0): WantedStream {
  return {
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    max_age: nanos(timeToLive),
    duplicate_window: nanos(timeToLive === 0 ? 2 * MINUTE : Math.min(timeToLive, 2 * MINUTE)),
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
  }
}

async function ensureStream(jsm: JetStreamManager, wanted: WantedStream): Promise<void> {
  try {
    const found = await findStream(jsm, wanted.name)
    if (found === undefined) await jsm.streams.add(wanted)
    else if (differences(found, wanted).length > 0) await jsm.streams.update(wanted.name, { ...found, ...wanted })
  } catch (error) {
    throw await explainStream(jsm, wanted, error)
  }
}

async function findStream(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config
  } catch (error) {
    if (refusalOf(error)?.code === STREAM_NOT_FOUND) return undefined
    throw error
  }
}

const STREAM_NOT_FOUND = 10059
const SUBJECTS_OVERLAP = 10065

async function explainStream(jsm: JetStreamManager, { name, subjects = [] }: WantedStream, error: unknown): Promise<unknown> {
  const refusal = refusalOf(error)
  if (refusal === undefined) return isSilence(error) ? unanswered(`about stream ${name}`, error) : error
  if (refusal.code !== SUBJECTS_OVERLAP)
    return new BusMismatch(`nats: stream ${name}: ${refusal.message}`, `See what is there: nats stream info ${name}`, error)
  const owner = await jsm.streams.find(subjects[0] ?? '').catch(() => 'another stream')
  return new BusMismatch(
    `nats: ${subjects.join(' ')} belongs to ${owner}`,
    'Give this cell a prefix of its own: settings.prefix.',
    error,
  )
}
