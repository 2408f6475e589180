/**
 * What one function may publish and read on the server, derived from its declaration. Streams and consumers are made by
 * `admin`: nobody else may make, change or remove one. What is left open: the server does not check the subject that a
 * request wants its answer on, so every message is validated where it is read.
 */
import { consumerName } from './consumers.ts'
import { type Declared, saidBy, takenBy, takesTicks, ticks } from './declared.ts'
import type { EventKind } from './event.ts'
import { TICK } from './function.ts'
import { streamNames, tickSubject } from './streams.ts'

export interface PermissionOptions {
  prefix: string
  /** The hosts this user works for. */
  hosts: readonly string[]
}

export interface Permissions {
  publish: string[]
  subscribe: string[]
  /** May answer whoever asked. */
  responses: boolean
}

/** The inbox nobody else may read; the client's `inboxPrefix`. */
export function inboxOf(name: string): string {
  return `_INBOX_${name}`
}

/** The allow lists of one function's user. All else is denied. */
export function permissionsOf(fn: Declared, { prefix, hosts }: PermissionOptions): Permissions {
  const everywhere = typeof fn.on === 'string'
  const on = (event: EventKind) =>
    everywhere ? [`${prefix}.${event.type}.>`] : hosts.map(host => `${prefix}.${event.type}.${host}.>`)
  const says = saidBy(fn).flatMap(on)
  const looksUp = [...says, ...[...takenBy(fn), ...(fn.reads ?? [])].flatMap(on)]
  const publish = [
    ...says,
    ...(ticks(fn) ? [tickSubject(prefix)] : [`${prefix}.progress`]),
    ...consumersOf(fn, prefix, hosts).flatMap(consumer => consumerRights(consumer, prefix)),
    ...progressOfTicks(fn, prefix),
    ...leaseRights(fn, prefix, hosts),
    ...(fn.remembers ?? []).flatMap(memory => bucketRights(streamNames(prefix)[memory], '>')),
    ...looksUp.map(subject => directGet(streamNames(prefix).facts, subject)),
  ]
  return {
    publish: [...new Set(publish)],
    subscribe: [`${inboxOf(fn.name)}.>`, ...deskSubjects(fn, prefix)],
    responses: fn.on === 'requests',
  }
}

/** Whoever only ticks. */
export function clockPermissions(prefix: string): Permissions {
  return { publish: [tickSubject(prefix)], subscribe: [`${inboxOf('clock')}.>`], responses: false }
}

interface OwnConsumer {
  stream: string
  name: string
}

function consumersOf(fn: Declared, prefix: string, hosts: readonly string[]): OwnConsumer[] {
  const { facts, ticks: stream } = streamNames(prefix)
  if (takesTicks(fn)) return [{ stream, name: consumerName(fn.name, TICK) }]
  return takenBy(fn).flatMap(({ type }) => hosts.map(host => ({ stream: facts, name: consumerName(fn.name, type, host) })))
}

/** Look, take, acknowledge, and count the waits. */
function consumerRights({ stream, name }: OwnConsumer, prefix: string): string[] {
  return [
    `$JS.API.CONSUMER.INFO.${stream}.${name}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
    `$JS.ACK.${stream}.${name}.>`,
    ...bucketRights(streamNames(prefix).waits, `${name}.*`),
  ]
}

/** A desk sees how far those have come whose answer to a tick it waits for. */
function progressOfTicks(fn: Declared, prefix: string): string[] {
  if (!ticks(fn)) return []
  return (fn.hears ?? []).map(({ step }) => `$JS.API.CONSUMER.INFO.${streamNames(prefix).ticks}.${consumerName(step, TICK)}`)
}

/** Leases are named `<function>.<host>.<source>`, `_` where the message names no host. */
function leaseRights(fn: Declared, prefix: string, hosts: readonly string[]): string[] {
  if (fn.on === 'requests') return []
  const places = takesTicks(fn) ? ['_'] : [...hosts, '_']
  return places.flatMap(place => bucketRights(streamNames(prefix).work, `${fn.name}.${place}.*`))
}

function bucketRights(bucket: string, keys: string): string[] {
  const subject = `$KV.${bucket}.${keys}`
  return [subject, directGet(`KV_${bucket}`, subject)]
}

/** With the subject in the request's own subject: the form whose reach the server can limit. */
function directGet(stream: string, subject: string): string {
  return `$JS.API.DIRECT.GET.${stream}.${subject}`
}

function deskSubjects(fn: Declared, prefix: string): string[] {
  if (fn.on !== 'requests') return []
  const heard = (fn.hears ?? []).map(({ type }) => `${prefix}.${type}.>`)
  return ['$SRV.>', ...(fn.endpoints ?? []).map(({ name }) => `${prefix}.${name}`), ...heard]
}
