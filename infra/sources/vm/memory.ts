/** Whether a host has the memory that a guest needs besides those that run there: without it, the kernel ends one of them. */
import prettyBytes from 'pretty-bytes'
import { HoldfastError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { DomainDescription } from '../../tools/domain-xml.ts'

const KIB = 1024
const LEAST = 512 * KIB * KIB

/** Bytes that a guest may need in all: what it was promised, and a reserve for QEMU itself and for what else grows meanwhile. Pure. */
export function memoryNeeded(memory: number): { bytes: number; reserve: number } {
  const reserve = Math.max(LEAST, Math.ceil(memory / 20))
  return { bytes: memory + reserve, reserve }
}

/** Bytes that can be used without swapping, as `/proc/meminfo` says; throws where it does not. Pure. */
export function availableMemory(meminfo: string): number {
  const kib = /^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1]
  if (kib === undefined) throw new HoldfastError('/proc/meminfo does not say how much memory is available', { retryable: false })
  return Number(kib) * KIB
}

/** Throws where there is too little right now, before anything is started. */
export async function requireMemory(host: Host, id: string, domain: Pick<DomainDescription, 'memory'>): Promise<void> {
  const available = availableMemory(Buffer.from(await host.read('/proc/meminfo')).toString('utf8'))
  const memory = domain.memory * KIB
  const { bytes, reserve } = memoryNeeded(memory)
  if (available >= bytes) return
  const needed = `${prettyBytes(memory)} of memory and a reserve of ${prettyBytes(reserve)}`
  throw new HoldfastError(
    `${id} was not tried: its guest needs ${needed}, and ${host.name} has ${prettyBytes(available)} available`,
    {
      retryable: false,
      hint: 'This says nothing about the backup. Drill it while fewer guests run there: a guest too many would cost one of them its life.',
    },
  )
}
