/** The foreign programs Holdfast uses: which are missing on this machine, and how they get here. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CommandFailed, HoldfastError } from './errors.ts'

/** Each program, and the Debian package that has it. */
const packages = {
  'nats-server': 'nats-server',
  rsync: 'rsync',
  sqlite3: 'sqlite3',
  zstd: 'zstd',
  tar: 'tar',
  setpriv: 'util-linux',
  flock: 'util-linux',
  setfacl: 'acl',
  getfacl: 'acl',
  setfattr: 'attr',
  getfattr: 'attr',
  xz: 'xz-utils',
  sha256sum: 'coreutils',
  find: 'findutils',
  virsh: 'libvirt-clients',
  'qemu-img': 'qemu-utils',
  setsid: 'util-linux',
  ssh: 'openssh-client',
}

export type Program = keyof typeof packages

/** What of this machine decides how programs get here. */
export interface Machine {
  root: boolean
  /** Debian, or something made from it such as Ubuntu. */
  debian: boolean
  path: string
}

export interface InstallOptions {
  /** Told what is going to be done, before it is. */
  say(line: string): void
  machine?: Machine
}

/** Fifteen minutes: a slow mirror is slow, and another apt may have to end first. */
const LONGEST = 15 * 60_000

/** Those of the programs that this machine does not have, in the order given. */
export function missingTools(programs: readonly Program[], { path }: Pick<Machine, 'path'> = thisMachine()): Program[] {
  const directories = path.split(delimiter).filter(directory => directory !== '')
  return programs.filter(program => !directories.some(directory => isExecutable(join(directory, program))))
}

/** Installs what is missing with apt where that is possible; otherwise throws an error that says what to install and how. */
export async function installTools(missing: readonly Program[], { say, machine = thisMachine() }: InstallOptions): Promise<void> {
  if (missing.length === 0) return
  const wanted = packagesOf(missing)
  if (!machine.root || !machine.debian) throw byHand(missing, machine)
  say(`Not on this machine: ${missing.join(', ')}. Installing with apt-get: ${wanted.join(', ')}.`)
  const update = await apt(['update'], machine)
  if (update.exitCode !== 0) say(`apt-get update failed; trying with the package lists that are here. ${lastLine(update.stderr)}`)
  const install = await apt(['install', '--yes', '--no-install-recommends', ...wanted], machine)
  if (install.exitCode !== 0) throw new CommandFailed(install, { hint: cure(missing, machine), retryable: false })
  if (wanted.includes('nats-server')) await quiet('nats-server', { say, machine })
  const still = missingTools(missing, machine)
  if (still.length > 0) throw byHand(still, machine)
}

/** The Debian packages that have these programs, each once. */
export function packagesOf(programs: readonly Program[]): string[] {
  return [...new Set(programs.map(program => packages[program]))]
}

/** This machine, as it is now. */
export function thisMachine(): Machine {
  // Debian keeps servers out of a plain user's PATH.
  const path = [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter)
  return { root: process.getuid?.() === 0, debian: isDebian(), path }
}

function byHand(missing: readonly Program[], machine: Machine): HoldfastError {
  return new HoldfastError(`not on this machine: ${missing.join(', ')}`, { hint: cure(missing, machine), retryable: false })
}

function cure(missing: readonly Program[], { debian }: Machine): string {
  const wanted = packagesOf(missing)
  if (debian) return `As root: apt-get update && apt-get install --no-install-recommends ${wanted.join(' ')}. Then start again.`
  const elsewhere = missing.includes('nats-server') ? ' (nats-server also from https://nats.io/download)' : ''
  return `Install ${wanted.join(', ')} with the package manager of this system${elsewhere}, and start again.`
}

async function apt(args: readonly string[], { path }: Machine) {
  const argv = ['apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args]
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8', PATH: path }
  const { execa } = await import('execa')
  const { exitCode, timedOut, all } = await execa('apt-get', argv.slice(1), {
    env,
    stdin: 'ignore',
    all: true,
    reject: false,
    timeout: LONGEST,
  })
  return { host: 'local', argv, exitCode, timedOut, stderr: all ?? '' }
}

/** Debian starts a server of its own, open to every user of the machine. Holdfast starts a private one instead. */
async function quiet(unit: string, { say, machine }: Required<InstallOptions>): Promise<void> {
  if (!existsSync('/run/systemd/system')) return
  const { execa } = await import('execa')
  const { exitCode } = await execa('systemctl', ['disable', '--now', unit], {
    env: { PATH: machine.path },
    reject: false,
    timeout: 60_000,
  })
  const done = exitCode === 0 ? 'It is switched off' : `It could not be switched off: see "systemctl status ${unit}"`
  say(`The package ${unit} comes with a system service, which Holdfast does not need. ${done}.`)
}

function isDebian(): boolean {
  const path = '/etc/os-release'
  return existsSync(path) && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync(path, 'utf8'))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
