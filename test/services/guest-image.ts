/** The guest of the tests: Debian's cloud kernel, and an initramfs with busybox, the guest agent and a writer of records. */
import { globSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { execa } from 'execa'
import { builtOnce, versionOf } from './built.ts'

export interface GuestImage {
  kernel: string
  initramfs: string
}

/** In the order they are loaded; ext4 is in the kernel itself. The last two are for the power button. */
const modules = [
  'virtio_ring',
  'virtio',
  'virtio_pci_legacy_dev',
  'virtio_pci_modern_dev',
  'virtio_pci',
  'virtio_blk',
  'virtio_console',
  'evdev',
  'button',
]

const programs = { '/bin/busybox': 'bin/busybox', '/usr/sbin/qemu-ga': 'usr/sbin/qemu-ga' }
const scripts = { init: 'init', writer: 'bin/writer', shutdown: 'sbin/shutdown' }
const scriptsDirectory = join(import.meta.dirname, 'guest')

/** Debian's package linux-image-cloud-amd64 as the newest that is installed; undefined without it. */
export function guestKernel(): string | undefined {
  return globSync('/boot/vmlinuz-*-cloud-amd64')
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)
}

/** Builds kernel and initramfs, once per machine and version of what they are made from. */
export async function buildGuest(): Promise<GuestImage> {
  const kernel = guestKernel()
  if (!kernel) throw new Error('no kernel for guests: install linux-image-cloud-amd64')
  const files = await wanted(basename(kernel).replace('vmlinuz-', ''))
  const key = await Promise.all([kernel, ...Object.keys(files)].map(versionOf))
  const texts = await Promise.all(Object.keys(scripts).map(name => readFile(join(scriptsDirectory, name), 'utf8')))
  const directory = await builtOnce('guest', [...key, ...texts, ...modules], async work => {
    await copyFile(kernel, join(work, 'vmlinuz'))
    await fillRoot(join(work, 'root'), files)
    await pack(join(work, 'root'), join(work, 'initramfs'))
    await rm(join(work, 'root'), { recursive: true })
  })
  return { kernel: join(directory, 'vmlinuz'), initramfs: join(directory, 'initramfs') }
}

/** Every file of the host that goes into the initramfs, and where to. */
async function wanted(release: string): Promise<Record<string, string>> {
  const { stdout } = await execa('find', [join('/lib/modules', release), '-name', '*.ko'])
  const all = stdout.split('\n')
  const found = modules.map(name => {
    const path = all.find(path => basename(path) === `${name}.ko`)
    if (!path) throw new Error(`the kernel ${release} has no module ${name}`)
    return [path, join('lib/modules', basename(path))]
  })
  const libraries = (await Promise.all(Object.keys(programs).map(librariesOf))).flat().map(path => [path, path.slice(1)])
  return { ...programs, ...Object.fromEntries([...found, ...libraries]) }
}

/** None for a static program. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await execa('ldd', [program], { reject: false })
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

async function fillRoot(root: string, files: Record<string, string>): Promise<void> {
  const places = ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'proc', 'sys', 'dev', 'run', 'tmp', 'mnt', 'data', 'etc/acpi/PWRF']
  for (const place of places) await mkdir(join(root, place), { recursive: true })
  for (const [from, to] of Object.entries(files)) {
    await mkdir(dirname(join(root, to)), { recursive: true })
    await cp(from, join(root, to), { dereference: true })
  }
  for (const [name, to] of Object.entries(scripts)) {
    await copyFile(join(scriptsDirectory, name), join(root, to))
    await chmod(join(root, to), 0o755)
  }
  await writeFile(join(root, 'etc/acpi/PWRF/00000080'), '#!/bin/sh\nexec shutdown -h power button\n', { mode: 0o755 })
  await writeFile(join(root, 'lib/modules/order'), `${modules.join('\n')}\n`)
}

/** Not compressed: an emulated processor takes longer to unpack it than to read it. */
async function pack(root: string, archive: string): Promise<void> {
  const names = (await readdir(root, { recursive: true })).toSorted()
  await execa('cpio', ['--create', '--format=newc', '--quiet', '--owner=0:0', '-O', archive], {
    cwd: root,
    input: `${names.join('\n')}\n`,
  })
}
