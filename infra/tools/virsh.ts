/** libvirt's own program, on one host and one connection. */
import { CommandFailed, type CommandOutcome, type ErrorDetails, InvalidInput, messageOf } from '../errors.ts'
import type { Argv, Host, RunOptions } from '../hosts/host.ts'

export interface Libvirt {
  host: Host
  /** `qemu:///system` */
  uri: string
  signal?: AbortSignal | undefined
  /** Milliseconds that a command gets which only asks, or begins something. Default two minutes. */
  limit?: number
}

const LIMIT = 2 * 60_000

/** They return once disks or memory are written, and get all the time they need. */
const LASTING = /^(block(commit|copy|pull)|snapshot-(create-as|delete|revert)|create|managedsave|restore|save|start)$/

/** Its messages are read: they have to be the English ones. */
const env = { LC_ALL: 'C' }

/** The argument list of a virsh command, for pipes and programs that outlive us. */
export function virshCommand({ uri }: Pick<Libvirt, 'uri'>, ...args: readonly string[]): Argv {
  return ['virsh', '-q', '-c', uri, ...args]
}

/** The same for commands that count what they did only where they are not told to be quiet. */
export function talkingCommand({ uri }: Pick<Libvirt, 'uri'>, ...args: readonly string[]): Argv {
  return ['virsh', '-c', uri, ...args]
}

/** Runs a command and returns what it printed, without blank ends. Names go in as `--domain=NAME`, so that none is an option. */
export async function virsh(libvirt: Libvirt, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return await run(libvirt, virshCommand(libvirt, ...args), { ...limitOf(libvirt, args), ...options })
}

/** The same with virsh's own remarks, such as `Thawed 2 filesystem(s)`. */
export async function talkingVirsh(libvirt: Libvirt, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return await run(libvirt, talkingCommand(libvirt, ...args), { ...limitOf(libvirt, args), ...options })
}

/** Undefined where virsh refuses with a message that fits. Every other failure throws. */
export async function virshUnless(libvirt: Libvirt, refusal: RegExp, args: readonly string[]): Promise<string | undefined> {
  try {
    return await virsh(libvirt, args)
  } catch (error) {
    if (refusedWith(error, refusal)) return undefined
    throw error
  }
}

/** Whether an error is virsh's refusal with such a message. */
export function refusedWith(error: unknown, refusal: RegExp): boolean {
  const failure = error instanceof InvalidInput ? error.cause : error
  return failure instanceof CommandFailed && refusal.test(failure.outcome.stderr)
}

/** Why virsh refused, in libvirt's own words on one line: `QEMU guest agent is not connected`. */
export function reasonOf(error: unknown): string {
  const failure = error instanceof InvalidInput ? error.cause : error
  if (!(failure instanceof CommandFailed) || failure.outcome.timedOut) return messageOf(error).replaceAll('\n', ' ')
  return lastLine(failure.outcome.stderr).replace(/^error: /, '') || messageOf(error)
}

/** Overlays are made within a moment: their guest is frozen meanwhile. */
function limitOf({ limit = LIMIT }: Libvirt, [command = '', ...flags]: readonly string[]): RunOptions {
  return LASTING.test(command) && !flags.includes('--disk-only') ? {} : { timeout: limit }
}

async function run(libvirt: Libvirt, argv: Argv, options: RunOptions): Promise<string> {
  const { host, signal } = libvirt
  try {
    const { stdout } = await host.run(argv, { env, ...(signal && { signal }), ...options })
    return stdout.trim()
  } catch (error) {
    throw explain(error, libvirt)
  }
}

function explain(error: unknown, { host, uri }: Libvirt): unknown {
  if (!(error instanceof CommandFailed)) return error
  const { stderr, exitCode, timedOut } = error.outcome
  if (timedOut) return new CommandFailed(error.outcome, { cause: error, hint: silenceOf(error.outcome, uri) })
  if (/failed to get domain|Domain not found/.test(stderr))
    return new InvalidInput(`${host.name} has no such domain: ${lastLine(stderr)}`, {
      cause: error,
      hint: 'See what there is: virsh list --all. Check `domain` in the configuration.',
    })
  const details = detailsOf(stderr, exitCode, uri)
  return details ? new CommandFailed(error.outcome, { cause: error, ...details }) : error
}

function detailsOf(stderr: string, exitCode: number | undefined, uri: string): ErrorDetails | undefined {
  if (exitCode === 127) return { retryable: false, hint: 'Install it: apt-get install libvirt-clients' }
  if (/failed to connect to the hypervisor|Failed to connect socket|Connection refused|End of file while reading/.test(stderr))
    return { hint: `Nobody answers at ${uri}: is libvirtd running, and may this login use it?` }
  if (/authentication (failed|unavailable)|access denied/i.test(stderr))
    return { retryable: false, hint: `This login may not use ${uri}: run as root, or put it into the group libvirt.` }
  return undefined
}

function silenceOf({ argv }: CommandOutcome, uri: string): string {
  const asked = argv.slice(argv.indexOf(uri) + 1, argv.indexOf(uri) + 3).join(' ')
  return `\`virsh ${asked}\` got no answer: libvirtd, the guest's QEMU or the storage below it hangs. See whether virsh -c ${uri} list answers, and what the host's kernel says (dmesg).`
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
