/** Disks for guests: an ext4 file system each, made once per size and then copied. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { builtOnce } from './built.ts'

export const MB = 1024 * 1024

export interface DiskOptions {
  /** Default: `qcow2`, version 3 */
  format?: 'qcow2' | 'raw'
  /** Bytes. Default: 256 MB */
  size?: number
  /** Bytes of random data that lie on it from the beginning, in `/filling`. Default: 0 */
  filled?: number
  /** A qcow2 over a file of its own with what the disk began with, in this format. */
  backing?: 'qcow2' | 'raw'
}

export interface Disk {
  /** `vda`, `vdb` and so on. */
  target: string
  path: string
  format: 'qcow2' | 'raw'
  size: number
  /** The file below, where there is one. */
  backing: string | undefined
}

/** Makes the disk `<directory>/<name>.<format>`, and `<name>.base.<format>` below it where asked. */
export async function makeDisk(directory: string, name: string, target: string, options: DiskOptions = {}): Promise<Disk> {
  const { format = 'qcow2', size = 256 * MB, filled = 0, backing } = options
  const template = await templateOf(size, filled)
  const path = join(directory, `${name}.${format}`)
  if (!backing) {
    await copy(template, path, format)
    return { target, path, format, size, backing: undefined }
  }
  if (format === 'raw') throw new Error('a raw disk has nothing below it')
  const base = join(directory, `${name}.base.${backing}`)
  await copy(template, base, backing)
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', backing, path])
  return { target, path, format, size, backing: base }
}

async function copy(template: string, path: string, format: 'qcow2' | 'raw'): Promise<void> {
  const options = format === 'qcow2' ? ['-o', 'compat=1.1'] : []
  await execa('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, template, path])
}

/** A raw image with holes. Everything is laid out beforehand, so that the guest's kernel does not write by itself later. */
async function templateOf(size: number, filled: number): Promise<string> {
  const directory = await builtOnce('disk', [String(size), String(filled)], async work => {
    const content = join(work, 'content')
    await mkdir(content)
    if (filled)
      await execa('dd', ['if=/dev/urandom', `of=${join(content, 'filling')}`, 'bs=1M', `count=${filled}`, 'iflag=count_bytes'])
    const full = join(work, 'full.raw')
    const layout = ['-E', 'lazy_itable_init=0,lazy_journal_init=0', '-d', content]
    await execa('mkfs.ext4', ['-q', '-F', ...layout, full, `${size / 1024}k`], {
      env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    })
    await execa('cp', ['--sparse=always', full, join(work, 'disk.raw')])
    await rm(full)
    await rm(content, { recursive: true })
  })
  return join(directory, 'disk.raw')
}
