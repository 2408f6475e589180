/** One domain of a libvirt: how it is addressed and what it says of itself. */
import { type Libvirt, virsh, virshUnless } from './virsh.ts'

export interface Guest extends Libvirt {
  /** Its name in libvirt, or its UUID. */
  domain: string
}

/** Runs a command on the domain: `ask(guest, 'domstate')`. */
export async function ask(guest: Guest, command: string, ...args: readonly string[]): Promise<string> {
  return await virsh(guest, [command, `--domain=${guest.domain}`, ...args])
}

/** The same, and undefined where virsh refuses with a message that fits. */
export async function askUnless(
  guest: Guest,
  refusal: RegExp,
  command: string,
  ...args: readonly string[]
): Promise<string | undefined> {
  return await virshUnless(guest, refusal, [command, `--domain=${guest.domain}`, ...args])
}

/** How virsh refuses what only a running domain can do: nothing of it is frozen and no job goes on then. */
export const NOT_RUNNING = /domain is not running|failed to get domain|Domain not found/

/** As libvirt says it: `running`, `paused`, `shut off`, `in shutdown`, `crashed`, `pmsuspended`, `idle`. */
export async function stateOf(guest: Guest): Promise<string> {
  return await ask(guest, 'domstate')
}

/** What libvirt says of it besides its XML. */
export async function infoOf(guest: Guest): Promise<{ state: string; autostart: boolean }> {
  const text = await ask(guest, 'dominfo')
  return { state: /^State: +(.*)$/m.exec(text)?.[1] ?? '', autostart: /^Autostart: +enable/m.test(text) }
}

/** Whether a QEMU process holds its disks. */
export function isActive(state: string): boolean {
  return state !== 'shut off' && state !== 'crashed'
}

export interface XmlOptions {
  /** As it will be at the next start, not as it is now. */
  inactive?: boolean
  /** Without what only this machine knows. */
  migratable?: boolean
  /** With passwords. */
  security?: boolean
}

/** The domain's XML. */
export async function xmlOf(guest: Guest, { inactive, migratable, security }: XmlOptions = {}): Promise<string> {
  const flags = [inactive && '--inactive', migratable && '--migratable', security && '--security-info']
  return await ask(guest, 'dumpxml', ...flags.filter(flag => typeof flag === 'string'))
}
