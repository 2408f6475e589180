/**
 * A libvirt of the test's own, in mount and PID namespaces with one temporary directory put over libvirt's own: as root libvirtd
 * knows no other place (`qemu:///session` is for other users, `qemu:///embed` ends with its client), yet its socket and all images
 * lie in that directory under the same path inside and outside, so that any virsh reaches it by URI.
 * Killing the namespaces' first process ends libvirtd and every guest, and the kernel does that when the test dies.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { makeDirectory } from './directory.ts'
import { isRunning, type Namespaces, openNamespaces } from './libvirt-namespaces.ts'
import type { Process } from './processes.ts'
import { until } from './until.ts'

export interface LibvirtOptions {
  /** Who runs QEMU. `libvirt-qemu` is Debian's default, with dynamic ownership and libvirt's other defaults. Default: `root` */
  user?: 'root' | 'libvirt-qemu'
  /** Guests may have TPMs: their state lies in the machine's own `/var/lib/libvirt/swtpm`, by their UUIDs. Default: false */
  tpm?: boolean
}

export interface Libvirt extends AsyncDisposable {
  /** For `virsh -c`, from anywhere on the machine. */
  readonly uri: string
  /** The same for a plain `virsh`. */
  readonly env: { LIBVIRT_DEFAULT_URI: string }
  readonly home: string
  /** Where images can lie: QEMU's user may pass. */
  readonly images: string
  /** The file that holds what libvirtd said. */
  readonly log: string
  /** Runs virsh and returns its stdout without the newlines at its end. */
  virsh(...args: readonly string[]): Promise<string>
  /** libvirtd's, as seen from here. */
  pid(): Promise<number>
  /** The QEMU processes that run. */
  guests(): Promise<Process[]>
  /** Ends libvirtd without warning; guests go on. `restart` brings it back. */
  kill9(): Promise<void>
  /** Ends libvirtd where it still runs and starts it again; guests go on. */
  restart(): Promise<void>
  /** Ends everything, guests too, and removes the directory. May be called twice. */
  stop(): Promise<void>
}

// Consoles go straight to their files, without virtlogd. AppArmor and cgroups are the machine's, not ours to change.
const always = 'security_driver = "none"\ncgroup_controllers = []\nstdio_handler = "file"\n'
const asRoot = 'user = "root"\ngroup = "root"\nnamespaces = []\nremember_owner = 0\n'

/** Starts one and returns when it answers. It ends with the process that started it. */
export async function startLibvirt({ user = 'root', tpm = false }: LibvirtOptions = {}): Promise<Libvirt> {
  const { path: home, remove } = await makeDirectory()
  await prepare(home, user)
  if (tpm) await mkdir(join(home, 'lib', 'swtpm'))
  const namespaces = await openNamespaces(home).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  const stop = async () => {
    await namespaces.end()
    await remove()
  }
  try {
    const client = clientOf(home)
    const daemon = await startDaemon(namespaces, home, client.virsh)
    const guests = () => namespaces.running('qemu-system')
    return { ...client, ...daemon, home, images: join(home, 'images'), guests, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function prepare(home: string, user: LibvirtOptions['user']): Promise<void> {
  await chmod(home, 0o711)
  for (const name of ['etc', 'lib', 'cache', 'log', 'run', 'nothing', 'images']) await mkdir(join(home, name), { mode: 0o755 })
  const libvirtd = 'auth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\nlog_outputs = "3:stderr"\n'
  await writeFile(join(home, 'etc', 'libvirtd.conf'), libvirtd)
  await writeFile(join(home, 'etc', 'qemu.conf'), user === 'root' ? asRoot + always : always)
}

function clientOf(home: string): Pick<Libvirt, 'uri' | 'env' | 'virsh'> {
  const uri = `qemu+unix:///system?socket=${join(home, 'run', 'libvirt-sock')}`
  const env = { LIBVIRT_DEFAULT_URI: uri }
  return {
    uri,
    env,
    async virsh(...args) {
      const { stdout } = await execa('virsh', args, { env: { ...env, LC_ALL: 'C.UTF-8' }, stdin: 'ignore' })
      return stdout.trimEnd()
    },
  }
}

async function startDaemon(
  namespaces: Namespaces,
  home: string,
  virsh: Libvirt['virsh'],
): Promise<Pick<Libvirt, 'log' | 'pid' | 'kill9' | 'restart'>> {
  const log = join(home, 'libvirtd.log')
  const launch = async () => {
    const argv = ['libvirtd', '--config', join(home, 'etc', 'libvirtd.conf'), '--pid-file', join(home, 'libvirtd.pid')]
    const started = await namespaces.spawn(argv, log)
    const settled = async () => !isRunning(started) || virsh('list').then(() => true)
    await until('libvirtd answers', settled, { every: 20, seconds: 30 })
    if (!isRunning(started)) throw new Error(`libvirtd ended while it started: ${await readFile(log, 'utf8')}`)
    return started
  }
  const pid = async () => {
    const [found] = await namespaces.running('libvirtd')
    if (!found) throw new Error('libvirtd does not run')
    return found.pid
  }
  let daemon: ChildProcess = await launch()
  const end = async (signal: NodeJS.Signals) => {
    if (!isRunning(daemon)) return
    const gone = once(daemon, 'exit')
    process.kill(await pid(), signal)
    await gone
  }
  return {
    log,
    pid,
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM')
      daemon = await launch()
    },
  }
}
