/** The zstd command: streams only, so that it joins pipes. */
import type { Stage } from '../hosts/host.ts'

export interface Compression {
  /** 1 to 19. */
  level: number
  /** Cut where the content says so: what follows a change stays the same, and rsync finds it. */
  rsyncable: boolean
}

/** Compresses with all cores and a checksum. */
export function compress({ level, rsyncable }: Compression): Stage {
  return { argv: ['zstd', '--quiet', '--threads=0', ...(rsyncable ? ['--rsyncable'] : []), `-${level}`, '--stdout'] }
}

/** Fails where one bit of the file is not what was compressed. */
export function decompress(path: string): Stage {
  return { argv: ['zstd', '--quiet', '--decompress', '--stdout', '--', path] }
}
