/** The `ssh` program: one command on another machine. Its login shell reads the command, so what goes into it is quoted here. */
import { CommandFailed, type ErrorDetails } from '../errors.ts'
import type { Argv } from '../hosts/host.ts'

export interface Login {
  address: string
  user: string
  port: number
  /** Files on the host that runs ssh, absolute; undefined: what ssh finds by itself. */
  identity?: string | undefined
  knownHosts?: string | undefined
}

/** Seconds. A machine that is silent for three of the second is gone. */
const CONNECT_LIMIT = 10
const ALIVE_EVERY = 5

/** Never asks, never trusts a key that it does not know, and notices when the other side is gone. */
export function sshCommand({ address, user, port, identity, knownHosts }: Login, remote: string): Argv {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `ConnectTimeout=${CONNECT_LIMIT}`,
    `ServerAliveInterval=${ALIVE_EVERY}`,
    'ServerAliveCountMax=3',
    ...(knownHosts === undefined ? [] : [`UserKnownHostsFile="${knownHosts}"`, 'GlobalKnownHostsFile=none']),
    ...(identity === undefined ? [] : [`IdentityFile="${identity}"`, 'IdentitiesOnly=yes']),
  ]
  const quiet = ['-T', '-a', '-x']
  return ['ssh', ...quiet, ...options.flatMap(option => ['-o', option]), '-p', String(port), '-l', user, '--', address, remote]
}

/** One word of a remote command, whatever it holds, for every shell people log in with: sh, bash, zsh, fish, csh. */
export function quoted(word: string): string {
  return `'${word.replace(/['\\]/g, character => `'\\${character}'`)}'`
}

/** The same for a path; a leading `~/` is left to the shell there. */
export function quotedPath(path: string): string {
  return path.startsWith('~/') ? `~/${quoted(path.slice(2))}` : quoted(path)
}

/** Whether the connection could not be made or did not last, as opposed to a command that failed there. */
export function lostConnection(error: unknown): boolean {
  return error instanceof CommandFailed && error.outcome.argv[0] === 'ssh' && error.outcome.exitCode === 255
}

/** Whether nobody was there yet: the machine may still be starting. */
export function unanswered(error: unknown): boolean {
  return lostConnection(error) && error instanceof CommandFailed && detailsOf(error.outcome.stderr)?.retryable === true
}

/** What a person can do about a connection that was not made. */
export function explainSsh(error: unknown, login: Login): unknown {
  if (!lostConnection(error) || !(error instanceof CommandFailed)) return error
  const { hint, retryable } = detailsOf(error.outcome.stderr) ?? {}
  if (!hint) return error
  const target = login.port === 22 ? login.address : `[${login.address}]:${login.port}`
  const told = hint.replaceAll('TARGET', target).replaceAll('LOGIN', `${login.user}@${login.address}`)
  return new CommandFailed(error.outcome, { cause: error, hint: told, ...(retryable !== undefined && { retryable }) })
}

const sayings: readonly [RegExp, ErrorDetails][] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    {
      retryable: false,
      hint: 'TARGET shows another key than before. If it was installed anew: ssh-keygen -R TARGET, then note its new key.',
    },
  ],
  [
    /Host key verification failed/,
    {
      retryable: false,
      hint: 'The key of TARGET is not known on this host. Note it once: ssh-keyscan, compare the fingerprint, add it to known_hosts.',
    },
  ],
  [
    /Permission denied/,
    { retryable: false, hint: "Add this host's public key to ~/.ssh/authorized_keys of LOGIN, or name its key file: identity." },
  ],
  [
    /Connection (refused|timed out|reset)|No route to host|Network is unreachable|kex_exchange_identification|System is booting up/,
    { retryable: true, hint: 'Does TARGET run, and does its sshd? Is the address right, and open for this host?' },
  ],
  [/Could not resolve hostname/, { retryable: true, hint: 'Is the name right? This host cannot find it.' }],
]

function detailsOf(stderr: string): ErrorDetails | undefined {
  return sayings.find(([saying]) => saying.test(stderr))?.[1]
}
