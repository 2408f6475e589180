/** What a restore needs, and what comes of it. */
import type { HealthConfig, ServiceConfig } from '../config.ts'
import type { Host } from '../hosts/host.ts'
import type { Backup } from '../inventory.ts'
import type { Check } from '../manifest.ts'
import type { Progress, Source } from '../sources/source.ts'

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
