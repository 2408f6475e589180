/** What a restore needs, and what comes of it. */
import { join } from 'node:path'
import type { HealthConfig, ServiceConfig } from '../config.ts'
import type { Host } from '../hosts/host.ts'
import type { Backup } from '../inventory.ts'
import type { Check } from '../manifest.ts'
import type { Progress, RestoreWork, Source } from '../sources/source.ts'

export interface Restore {
  /** Lies on `host`. */
  backup: Pick<Backup, 'manifest' | 'directory'>
  host: Host
  driver: Source
  options: unknown
  /** Commands that are fine with being run twice, as `systemctl stop` and `start` are. Besides the kind's own lifecycle. */
  service: ServiceConfig | undefined
  health: HealthConfig | undefined
  /** Another place: then the service is left alone. */
  to: string | undefined
  /** One part of the backup alone. */
  part?: string | undefined
  /** Runs from the backup at once; the data is brought into place meanwhile. */
  instant?: boolean | undefined
  keepAside: boolean
  /** Unique to this restore. A second run with the same token finishes what the first began, or tells what came of it. */
  token: string
  /** A directory on `host` for the journals of restores, which stay as its record. */
  state: string
  /** Stops where it is. The service may be down until the restore is run again with its token. */
  signal: AbortSignal
  progress(progress: Progress): void
  warn(message: string): void
}

export interface Restored {
  targets: string[]
  /** What was there before, where it was kept. */
  aside: string[]
  checks: Check[]
  seconds: number
}

/** What the kind's own verbs get. */
export function workOf({ backup, host, options, to, part, token, state, signal, progress, warn }: Restore): RestoreWork<unknown> {
  const { manifest, directory } = backup
  const work = { host, source: manifest.source, id: manifest.id, options, directory, manifest, signal, progress, warn }
  return { ...work, to, part, token, scratch: join(state, `scratch-${token}`) }
}
