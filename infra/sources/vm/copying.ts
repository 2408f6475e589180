/** Whole copies of disks that nobody changes meanwhile. */
import type { Host } from '../../hosts/host.ts'
import { convertImage } from '../../tools/qemu-img.ts'
import type { Progress } from '../source.ts'
import type { HeldDisk } from './held.ts'

export interface CopyWork {
  host: Host
  signal: AbortSignal
  progress(progress: Progress): void
}

export interface CopyOptions {
  /** See `Conversion`. */
  shared?: boolean
}

/**
 * Writes each disk, with all that it builds on, into the stage. By `qemu-img convert`: it is as quick as `cp`, and the
 * image stands alone, without the bitmaps and snapshots of the original.
 */
export async function copyDisks(work: CopyWork, disks: readonly HeldDisk[], { shared = false }: CopyOptions = {}): Promise<void> {
  const { host, signal } = work
  const total = disks.reduce((sum, { capacity }) => sum + capacity, 0)
  let before = 0
  for (const { source, format, staged: to, capacity } of disks) {
    if (!to) continue
    const progress = (percent: number) => work.progress({ bytes: Math.round(before + (capacity * percent) / 100), total })
    const toFormat = to.endsWith('.raw') ? 'raw' : 'qcow2'
    await convertImage(host, { from: source, fromFormat: format, to, toFormat, shared, signal, progress })
    before += capacity
  }
}
