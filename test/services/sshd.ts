/** A real sshd for the tests: on a free port of the loopback, with keys and a home of its own. Whoever runs the tests logs in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { until } from './until.ts'

/** Programs a test has to ask for: `requires(...sshPrograms)`. */
export const sshPrograms = ['ssh', 'ssh-keygen', 'sshd'] as const

export interface Sshd extends AsyncDisposable {
  port: number
  user: string
  /** What `~` is to whoever logs in. */
  home: string
  /** Private key file that may log in. */
  identity: string
  /** Knows the server's key on every port of the loopback. */
  knownHosts: string
  /** The same with a key that is not the server's. */
  wrongKnownHosts: string
  stop(): Promise<void>
}

export async function startSshd(): Promise<Sshd> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-sshd-'))
  // As root sshd insists on this one, which its own package makes at boot.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const [host, other, login] = await Promise.all(['host', 'other', 'login'].map(name => makeKey(join(directory, name))))
  const home = join(directory, 'home')
  await mkdir(home)
  const port = await freePort()
  await writeFile(join(directory, 'authorized_keys'), await publicKey(login ?? ''), { mode: 0o600 })
  await writeFile(join(directory, 'sshd_config'), configOf(directory, port, host ?? '', home))
  const child = spawn(await pathOfSshd(), ['-D', '-e', '-f', join(directory, 'sshd_config')], { stdio: 'ignore' })
  await until('sshd', () => accepts(port), { seconds: 20 })
  const stop = async () => {
    await end(child)
    await rm(directory, { recursive: true, force: true })
  }
  return {
    ...{ port, home, stop, user: userInfo().username, identity: login ?? '' },
    knownHosts: await knownHosts(join(directory, 'known hosts'), host ?? ''),
    wrongKnownHosts: await knownHosts(join(directory, 'wrong_hosts'), other ?? ''),
    [Symbol.asyncDispose]: stop,
  }
}

export interface Cutter extends AsyncDisposable {
  port: number
}

/** A way to a port that breaks off once so many bytes have come back: the first time, the second time, and the last for all that follow. */
export async function cutAfter(port: number, ...limits: readonly number[]): Promise<Cutter> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(client => {
    const limit = limits[Math.min(connections++, limits.length - 1)] ?? 0
    const upstream = connect(port, '127.0.0.1')
    let came = 0
    const close = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) sockets.add(socket.on('error', close).on('close', close))
    client.pipe(upstream)
    upstream.on('data', chunk => {
      came += chunk.length
      if (came > limit) close()
      else client.write(chunk)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: portOf(server.address()), [Symbol.asyncDispose]: stop }
}

function configOf(directory: string, port: number, key: string, home: string): string {
  const lines = {
    ListenAddress: `127.0.0.1:${port}`,
    HostKey: key,
    AuthorizedKeysFile: join(directory, 'authorized_keys'),
    PidFile: join(directory, 'pid'),
    ...{ StrictModes: 'no', UsePAM: 'no', PasswordAuthentication: 'no', PermitRootLogin: 'yes', PrintMotd: 'no' },
    SetEnv: `HOME=${home}`,
  }
  return Object.entries(lines)
    .map(line => `${line.join(' ')}\n`)
    .join('')
}

async function makeKey(file: string): Promise<string> {
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file])
  await chmod(file, 0o600)
  return file
}

function publicKey(file: string): Promise<string> {
  return readFile(`${file}.pub`, 'utf8')
}

async function knownHosts(file: string, key: string): Promise<string> {
  await writeFile(file, `[127.0.0.1]:* ${await publicKey(key)}`)
  return file
}

/** sshd re-executes itself and wants its whole path. */
async function pathOfSshd(): Promise<string> {
  const { stdout } = await execa('which', ['sshd'], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } })
  return stdout
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server.address())
  server.close()
  await once(server, 'close')
  return port
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('a server without a port')
  return address.port
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } finally {
    socket.destroy()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}
