/** The zstd command: streams only, so that it joins pipes. */
import type { Stage } from '../hosts/host.ts'

/** Compresses with all cores and a checksum, in blocks that let rsync find what stayed the same. */
export function compress(level: number): Stage {
  return { argv: ['zstd', '--quiet', '--threads=0', '--rsyncable', `-${level}`, '--stdout'] }
}

/** Fails where one bit of the file is not what was compressed. */
export function decompress(path: string): Stage {
  return { argv: ['zstd', '--quiet', '--decompress', '--stdout', '--', path] }
}
