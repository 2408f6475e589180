/** One durable consumer per function, subject and host. */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
  nanos,
  ReplayPolicy,
} from 'nats'
import { BusMismatch, differences, refusalOf } from './mismatch.ts'

/** One durable consumer's name: `verify-export-done-local`, `plan-tick`. Only the host may hold a hyphen. */
export function consumerName(functionName: string, type: string, host?: string): string {
  return [functionName, ...type.split('.'), ...(host === undefined ? [] : [host])].join('-')
}

export interface ConsumerOptions {
  name: string
  /** One subject; wildcards are fine. Lists need a newer server, and older ones ignore them. */
  filter: string
  /** Milliseconds. */
  ackWait: number
}

/** A durable pull consumer. Tries are counted by us, and delayed naks hold a place, so neither is limited tightly here. */
export function consumerConfig({ name, filter, ackWait }: ConsumerOptions): Partial<ConsumerConfig> & { durable_name: string } {
  return {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    filter_subject: filter,
    ack_wait: nanos(ackWait),
    max_deliver: -1,
    max_ack_pending: 1000,
  }
}

/**
 * Makes the consumer or mends its settings, and checks that the server took them: old ones drop what they do not know.
 * One that is as it should be is only looked at, which every function's own user may do.
 */
export async function ensureConsumer(jsm: JetStreamManager, stream: string, options: ConsumerOptions): Promise<ConsumerInfo> {
  const wanted = consumerConfig(options)
  const found = await findConsumer(jsm, stream, options.name)
  if (found && differences(found.config, wanted).length === 0) return found
  await addConsumer(jsm, stream, wanted)
  // Not the answer to that: after a restart a server answers with the old settings and has taken the new ones.
  const info = await jsm.consumers.info(stream, options.name)
  const wrong = differences(info.config, wanted)
  if (wrong.length === 0) return info
  throw new BusMismatch(
    `nats: consumer ${options.name} of ${stream} has other settings than asked: ${wrong.join(', ')}`,
    `Remove it, it is made anew and reads from the beginning: nats consumer rm ${stream} ${options.name}`,
  )
}

const CONSUMER_NOT_FOUND = 10014

async function findConsumer(jsm: JetStreamManager, stream: string, name: string): Promise<ConsumerInfo | undefined> {
  try {
    return await jsm.consumers.info(stream, name)
  } catch (error) {
    if (refusalOf(error)?.code === CONSUMER_NOT_FOUND) return undefined
    throw error
  }
}

async function addConsumer(jsm: JetStreamManager, stream: string, wanted: Partial<ConsumerConfig>): Promise<void> {
  try {
    await jsm.consumers.add(stream, wanted)
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === undefined) throw error
    const what = `nats: consumer ${wanted.durable_name} of ${stream}: ${refusal.message}`
    throw new BusMismatch(what, `See what is there: nats consumer info ${stream} ${wanted.durable_name}`, error)
  }
}
