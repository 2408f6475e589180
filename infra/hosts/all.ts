/** How a configured host is reached. */
import type { HostConfig } from '../config.ts'
import type { Host } from './host.ts'
import { localHost } from './local.ts'

/** Every host is this machine for now. One that has an address to reach it at would be opened here, by the driver for it. */
export function openHost(name: string, _config: HostConfig): Host {
  return localHost(name)
}
