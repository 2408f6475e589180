/** The domains of a host, protected or not. */
import prettyBytes from 'pretty-bytes'
import { HoldfastError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { type DomainDisk, describeDomain } from '../../tools/domain-xml.ts'
import { ask, askUnless, type Guest, isActive, stateOf, xmlOf } from '../../tools/guest.ts'
import { refusedWith, virsh } from '../../tools/virsh.ts'
import type { Found } from '../source.ts'
import { reasonToOmit } from './look.ts'
import type { Options } from './options.ts'

const USUAL = 'qemu:///system'
/** Seconds. */
const AGENT_LIMIT = 2

/** Those of the usual libvirt, and of every other one that a source names. */
export async function discover(host: Host, configured: readonly Options[]): Promise<Found[]> {
  const named = new Set(configured.map(({ uri }) => uri))
  const found: Found[] = []
  for (const uri of new Set([USUAL, ...named])) found.push(...(await domainsOf(host, uri, named.has(uri))))
  return found
}

/** The disks that the source takes along; undefined where it is about another domain. An internal snapshot protects none. */
export function captures(
  found: Found,
  source: string,
  { domain = source, uri, mode, excludeDisks }: Options,
): string[] | undefined {
  if (found.name !== domain || found.place !== uri) return undefined
  if (mode === 'snapshot') return []
  return found.parts.filter(({ name, obstacle }) => !obstacle && !excludeDisks.includes(name)).map(({ name }) => name)
}

/** A host without libvirt has no domains; where a source counts on one that does not answer, that is an error. */
async function domainsOf(host: Host, uri: string, expected: boolean): Promise<Found[]> {
  try {
    const names = (await virsh({ host, uri }, ['list', '--all', '--name'])).split('\n').filter(name => name.trim() !== '')
    return await Promise.all(names.sort().map(domain => found({ host, uri, domain })))
  } catch (error) {
    if (!expected && error instanceof HoldfastError && nobodyThere(error)) return []
    throw error
  }
}

function nobodyThere(error: unknown): boolean {
  return refusedWith(error, /failed to connect to the hypervisor|Failed to connect socket|there is no such program/)
}

async function found(guest: Guest): Promise<Found> {
  const [xml, state, sizes] = await Promise.all([xmlOf(guest), stateOf(guest), sizesOf(guest)])
  const { disks, agent } = describeDomain(xml)
  return {
    name: guest.domain,
    place: guest.uri,
    description: `${state}, ${await agentOf(guest, agent, isActive(state))}`,
    parts: disks.map(disk => ({ name: disk.target, description: described(disk, sizes.get(disk.target)), ...obstacleOf(disk) })),
  }
}

async function agentOf(guest: Guest, channel: boolean, active: boolean): Promise<string> {
  if (!channel) return 'no channel for a guest agent'
  if (!active) return 'has a channel for a guest agent'
  const ping = JSON.stringify({ execute: 'guest-ping' })
  const answer = await askUnless(guest, /agent|not running/i, 'qemu-agent-command', `--timeout=${AGENT_LIMIT}`, ping)
  return answer === undefined ? 'guest agent does not answer' : 'guest agent answers'
}

function described({ format, source, type }: DomainDisk, capacity: number | undefined): string {
  return [format, ...(capacity === undefined ? [] : [prettyBytes(capacity)]), source ?? `on ${type}`].join(', ')
}

function obstacleOf(disk: DomainDisk): { obstacle?: string } {
  if (disk.source === undefined) return { obstacle: `it is neither a file nor a block device (${disk.type})` }
  const obstacle = reasonToOmit(disk, [])
  return obstacle === undefined ? {} : { obstacle }
}

/** `vda  536870912  12464128  12517376` on each line; `-` where nothing is known. */
async function sizesOf(guest: Guest): Promise<Map<string, number>> {
  const lines = (await ask(guest, 'domblkinfo', '--all')).split('\n').map(line => line.trim().split(/\s+/))
  return new Map(lines.flatMap(([target = '', capacity = '']) => (/^\d+$/.test(capacity) ? [[target, Number(capacity)]] : [])))
}
