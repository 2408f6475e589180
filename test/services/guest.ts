/** A guest on a libvirt of the test's own: real disks, a real agent, and records that say what a backup of it must hold. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { askAgent, type Executed, execute } from './guest-agent.ts'
import { type Disk, type DiskOptions, MB, makeDisk } from './guest-disks.ts'
import { buildGuest, type GuestImage } from './guest-image.ts'
import { domainXml, type Hardware } from './guest-xml.ts'
import type { Libvirt } from './libvirt.ts'
import { until } from './until.ts'

export interface GuestOptions extends Hardware {
  name: string
  /** Where its files lie. Default: a directory of its name in `libvirt.images` */
  directory?: string
  /** The first is mounted on /mnt, the second on /data, others are not. Default: one qcow2 of 256 MB */
  disks?: readonly DiskOptions[]
}

/** What can be done with any guest of the libvirt, also one that a restore defined. */
export interface Domain {
  readonly name: string
  start(...flags: readonly string[]): Promise<void>
  /** `start`, then `waitForAgent`. */
  boot(): Promise<void>
  waitForAgent(seconds?: number): Promise<void>
  /** `running`, `paused`, `shut off`, as `virsh domstate` says it. */
  state(): Promise<string>
  waitFor(state: string, seconds?: number): Promise<void>
  /** Asks it to shut down and waits until it is off. */
  shutdown(mode?: 'agent' | 'acpi'): Promise<void>
  /** `virsh destroy`, where it runs. */
  destroy(): Promise<void>
  qemuPid(): Promise<number>
  /** Ends QEMU without warning and waits until libvirt knows. */
  kill9(): Promise<void>
  agent(command: string, given?: object): Promise<unknown>
  frozen(): Promise<boolean>
  exec(argv: readonly string[], seconds?: number): Promise<Executed>
  /** The number of the last record that is synced to every disk: a backup begun after this must hold it. */
  synced(): Promise<number>
  /** Waits until so many more records are synced, and says the last one's number. */
  moreRecords(count: number): Promise<number>
  /** Writes random data to a file in the guest and syncs it. Default name: `/mnt/bulk` */
  fill(bytes: number, path?: string): Promise<void>
  /** Kills the agent inside, after some seconds (default 0.2); it comes back after one, unless told to stay away. */
  killAgent(options?: { after?: number; staysAway?: boolean }): Promise<void>
}

export interface Guest extends Domain {
  readonly uuid: string
  readonly directory: string
  /** The file it was defined from. */
  readonly xml: string
  /** The file that holds what it said on its serial line since it was started. */
  readonly console: string
  readonly disks: readonly Disk[]
}

/** Makes the disks and defines the guest; it is not started. */
export async function defineGuest(libvirt: Libvirt, options: GuestOptions): Promise<Guest> {
  const { name, directory = join(libvirt.images, name), disks: wanted = [{}] } = options
  await mkdir(directory, { recursive: true, mode: 0o755 })
  const disks = await Promise.all(
    wanted.map((disk, index) => makeDisk(directory, `${name}-vd${letter(index)}`, `vd${letter(index)}`, disk)),
  )
  const uuid = randomUUID()
  const console = join(directory, `${name}.console`)
  await writeFile(console, '')
  const nvram = join(directory, `${name}.nvram.fd`)
  const xml = join(directory, `${name}.xml`)
  await writeFile(xml, domainXml({ ...options, uuid, console, nvram, disks, image: await bootFiles(libvirt) }))
  await libvirt.virsh('define', xml)
  return { uuid, directory, xml, console, disks, ...guestNamed(libvirt, name) }
}

/** The same for a guest that something else defined: a restored one, or a copy under a new name. */
export function guestNamed(libvirt: Libvirt, name: string): Domain {
  const { virsh } = libvirt
  const state = () => virsh('domstate', name)
  const waitFor = async (wanted: string, seconds = 60) => {
    await until(`${name} is ${wanted}`, async () => (await state()) === wanted, { seconds })
  }
  const agent = (command: string, given?: object) => askAgent(libvirt, name, command, given)
  const waitForAgent = async (seconds = 60) => {
    await until(`the agent in ${name} answers`, () => agent('guest-ping').then(() => true), { seconds })
  }
  const start = async (...flags: readonly string[]) => {
    await virsh('start', name, ...flags)
  }
  const exec = (argv: readonly string[], seconds?: number) => execute(libvirt, name, argv, seconds)
  const must = async (argv: readonly string[], seconds?: number) => {
    const { exitCode, stdout, stderr } = await exec(argv, seconds)
    if (exitCode !== 0) throw new Error(`${argv.join(' ')} in ${name} ended with ${exitCode}: ${stderr}`)
    return stdout
  }
  const synced = () =>
    until(`${name} has written a record`, async () => {
      const { stdout } = await exec(['cat', '/run/synced'])
      return /^\d+$/.test(stdout.trim()) && Number(stdout)
    })
  const qemuPid = async () => {
    const guest = (await libvirt.guests()).find(({ argv }) => argv.some(argument => argument.startsWith(`guest=${name},`)))
    if (!guest) throw new Error(`no QEMU runs ${name}`)
    return guest.pid
  }
  return {
    name,
    start,
    async boot() {
      await start()
      await waitForAgent()
    },
    waitForAgent,
    state,
    waitFor,
    async shutdown(mode = 'agent') {
      // The agent may be gone with its guest before it has answered: what counts is that the guest goes off.
      const refusal = await virsh('shutdown', name, '--mode', mode).then(() => undefined, String)
      await waitFor('shut off').catch((error: unknown) => {
        throw new Error(`${name} stays on after ${refusal ?? 'it was asked'}`, { cause: error })
      })
    },
    async destroy() {
      if ((await state()) !== 'shut off') await virsh('destroy', name)
    },
    qemuPid,
    async kill9() {
      process.kill(await qemuPid(), 'SIGKILL')
      await waitFor('shut off')
    },
    agent,
    frozen: async () => (await agent('guest-fsfreeze-status')) === 'frozen',
    exec,
    synced,
    async moreRecords(count) {
      const first = await synced()
      return until(`${name} writes ${count} records`, async () => {
        const last = await synced()
        return last >= first + count && last
      })
    },
    async fill(bytes, path = '/mnt/bulk') {
      const amount = ['bs=1M', `count=${Math.ceil(bytes / MB)}`]
      await must(['dd', 'if=/dev/urandom', `of=${path}`, ...amount, 'conv=fsync'], 600)
    },
    async killAgent({ after = 0.2, staysAway = false } = {}) {
      const away = staysAway ? 'touch /run/agent-stays-away; ' : ''
      // Nobody waits for its end: the agent that is asked does not live to answer.
      await agent('guest-exec', { path: 'sh', arg: ['-c', `sleep ${after}; ${away}kill -9 $(pidof qemu-ga)`] })
    },
  }
}

/** Copies of this libvirt's own: with dynamic ownership libvirt gives them to QEMU's user. */
async function bootFiles({ home }: Libvirt): Promise<GuestImage> {
  const image = await buildGuest()
  const own = { kernel: join(home, 'images', 'vmlinuz'), initramfs: join(home, 'images', 'initramfs') }
  await copyOnce(image.kernel, own.kernel)
  await copyOnce(image.initramfs, own.initramfs)
  return own
}

/** Two guests may be defined at once. */
async function copyOnce(from: string, to: string): Promise<void> {
  if (existsSync(to)) return
  const temporary = `${to}.${randomUUID()}`
  await copyFile(from, temporary)
  await rename(temporary, to)
}

function letter(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + index)
}
