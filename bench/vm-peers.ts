/** What people run today: bare libvirt, virtnbdbackup, a plain copy, a plain checksum. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { Guest } from '../test/services/guest.ts'
import { seconds } from './measure.ts'
import type { Lab } from './vm-lab.ts'

/** How long `virsh event` takes until it hears, ms. */
const LISTENING = 500

/** Resolves once somebody listens; `ended` when the guest's backup job has ended, with the moment on `performance.now()`'s clock. */
export async function listenForJob({ libvirt }: Lab, { name }: Guest): Promise<{ ended: Promise<number> }> {
  const event = ['event', `--domain=${name}`, '--event=job-completed', '--timeout=1200']
  const ended = execa('virsh', event, { env: { ...libvirt.env, LC_ALL: 'C' } }).then(({ stdout }) => {
    if (!/success: 1/.test(stdout)) throw new Error(`the job of ${name} did not end well: ${stdout}`)
    return performance.now()
  })
  await sleep(LISTENING)
  return { ended }
}

export interface BareJob {
  /** The checkpoint that it makes. Undefined: none. */
  checkpoint?: string
  /** The checkpoint since which it copies. Undefined: everything. */
  since?: string | undefined
}

/** `virsh backup-begin`, until the job has ended; where the image lies, and the seconds. */
export async function bareJob(lab: Lab, guest: Guest, { checkpoint, since }: BareJob): Promise<{ image: string; took: number }> {
  const directory = join(lab.place.path, 'bare')
  await mkdir(directory, { recursive: true, mode: 0o711 })
  const image = join(directory, `${guest.name}.${checkpoint ?? 'copy'}.qcow2`)
  await rm(image, { force: true })
  const mode = since ? `backupmode='incremental' incremental='${since}'` : "backupmode='full'"
  const disk = `<disk name='vda' backup='yes' type='file' ${mode}><target file='${image}'/><driver type='qcow2'/></disk>`
  const files = { backup: join(directory, 'backup.xml'), checkpoint: join(directory, 'checkpoint.xml') }
  await writeFile(files.backup, `<domainbackup mode='push'><disks>${disk}</disks></domainbackup>`)
  await writeFile(files.checkpoint, `<domaincheckpoint><name>${checkpoint}</name></domaincheckpoint>`)
  const { ended } = await listenForJob(lab, guest)
  const noting = checkpoint ? [`--checkpointxml=${files.checkpoint}`] : []
  const began = performance.now()
  await lab.libvirt.virsh('backup-begin', guest.name, `--backupxml=${files.backup}`, ...noting)
  return { image, took: ((await ended) - began) / 1000 }
}

/** virtnbdbackup takes a URI with a `+` for one of another machine. */
export async function virtnbdbackup({ libvirt, place }: Lab, { name }: Guest, level: 'full' | 'inc'): Promise<number> {
  const uri = libvirt.uri.replace('+unix', '')
  const argv = ['--uri', uri, '--domain', name, '--level', level, '--output', join(place.path, 'virtnbdbackup')]
  return await seconds(() => execa('virtnbdbackup', argv))
}

/** `cp --reflink=never` of the image, and `sync`. */
export async function plainCopy({ place }: Lab, { disks: [disk] }: Guest): Promise<number> {
  const to = join(place.path, 'copy.qcow2')
  const took = await seconds(async () => {
    await execa('cp', ['--reflink=never', '--', disk?.path ?? '', to])
    await execa('sync', ['--', to])
  })
  await rm(to)
  return took
}

/** `sha256sum`, once over the file. */
export async function plainHash(path: string): Promise<number> {
  return await seconds(() => execa('sha256sum', ['--', path]))
}
