/**
 * What those may do on the server who are no single function: the instance that runs them all, whoever starts backups from
 * outside, whoever listens. Nobody of them may remove a stream or reach another cell.
 */
import type { Declared } from './declared.ts'
import { inboxOf, type Permissions } from './permissions.ts'
import { streamNames, tickSubject } from './streams.ts'

export interface RoleOptions {
  prefix: string
  /** Foreign subjects that start plans. */
  triggers: readonly string[]
}

/** By the user's name. */
export function rolesOf(functions: readonly Declared[], options: RoleOptions): Record<string, Permissions> {
  return {
    instance: instancePermissions(options),
    starter: starterPermissions(functions, options),
    listener: listenerPermissions(options),
  }
}

/** `holdfast up` and the commands: it makes the streams and consumers of its cell and works with them. */
function instancePermissions({ prefix, triggers }: RoleOptions): Permissions {
  const { facts, ticks, ...buckets } = streamNames(prefix)
  const logs = [facts, ticks]
  const streams = [...logs, ...Object.values(buckets).map(bucket => `KV_${bucket}`)]
  const api = (verbs: readonly string[], names: readonly string[]) =>
    names.flatMap(name => verbs.map(verb => `$JS.API.${verb.replace('*', name)}`))
  return {
    publish: [
      `${prefix}.>`,
      ...Object.values(buckets).map(bucket => `$KV.${bucket}.>`),
      ...logs.map(stream => `$JS.ACK.${stream}.>`),
      '$JS.API.INFO',
      '$JS.API.STREAM.NAMES',
      ...api(['STREAM.INFO.*', 'STREAM.CREATE.*', 'STREAM.UPDATE.*', 'DIRECT.GET.*.>'], streams),
      ...api(['CONSUMER.CREATE.*', 'CONSUMER.CREATE.*.>', 'CONSUMER.DURABLE.CREATE.*.>'], logs),
      ...api(['CONSUMER.INFO.*.>', 'CONSUMER.MSG.NEXT.*.>', 'CONSUMER.DELETE.*.>'], logs),
      '$SRV.PING.holdfast',
    ],
    subscribe: ['_INBOX.>', `${prefix}.>`, '$SRV.>', ...triggers],
    responses: true,
  }
}

/** Ticks, asks for backups and looks how they stand. Nothing that puts back or removes. */
function starterPermissions(functions: readonly Declared[], { prefix }: RoleOptions): Permissions {
  const harmless = ['run', 'status']
  const asks = functions.flatMap(({ endpoints = [] }) => endpoints.filter(({ name }) => harmless.includes(name)))
  return {
    publish: [tickSubject(prefix), ...asks.map(({ name }) => `${prefix}.${name}`)],
    subscribe: [`${inboxOf('starter')}.>`],
    responses: false,
  }
}

/** Hears facts and progress, and no request: who hears those in a queue group would take them from us. */
function listenerPermissions({ prefix }: RoleOptions): Permissions {
  return { publish: [], subscribe: [`${prefix}.*.>`, `${prefix}.progress`, `${inboxOf('listener')}.>`], responses: false }
}
