/** What tells whether something was touched by a restore that was killed, and the command line that is killed. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { launcher } from '../../../cli/holdfast.ts'
import type { Libvirt } from '../../../services/libvirt.ts'

const Images = z.array(z.object({ filename: z.string() }))

/** The image and all that it builds on. */
export async function chainOf(image: string): Promise<string[]> {
  const { stdout } = await execa('qemu-img', ['info', '-U', '--backing-chain', '--output=json', image])
  return Images.parse(JSON.parse(stdout)).map(({ filename }) => filename)
}

/** Owner and checksum of every artifact of a backup. */
export async function digestsOf(directory: string): Promise<string> {
  const artifacts = [directory, '-type', 'f', '-not', '-name', '*.json']
  const { stdout: owners } = await execa('find', [...artifacts, '-printf', '%p %U:%G %T@\\n'])
  const { stdout: sums } = await execa('find', [...artifacts, '-exec', 'sha256sum', '--', '{}', '+'])
  return `${owners}\n${sums}`.split('\n').toSorted().join('\n')
}

/** Owner, mode and access list of the root and of all backups below it. */
export async function rightsOf(root: string): Promise<string> {
  const { stdout: lists } = await execa('getfacl', ['--recursive', '--numeric', '--absolute-names', '--', root])
  const { stdout: modes } = await execa('find', [root, '-printf', '%p %U:%G %m\\n'])
  const all = [...lists.split('\n\n'), ...modes.split('\n')].map(text => text.trim())
  return all
    .filter(text => !text.includes('/.restores'))
    .toSorted()
    .join('\n')
}

/** What keeps guests from getting further than the beginning of their start. */
export interface Stall {
  hold(): Promise<void>
  letGo(): Promise<void>
}

/** An emulator that waits as long as it is held. */
export async function stallable({ images }: Libvirt): Promise<Stall & { path: string }> {
  const [path, held] = [join(images, 'emulator'), join(images, 'emulator.held')]
  const { stdout: real } = await execa('which', ['qemu-system-x86_64'])
  await writeFile(path, `#!/bin/sh\nwhile [ -e ${held} ]; do sleep 0.05; done\nexec ${real} "$@"\n`)
  await chmod(path, 0o755)
  return { path, hold: () => writeFile(held, ''), letGo: () => rm(held) }
}

export interface Started {
  asked: readonly string[]
  /** Where it is typed. */
  directory: string
}

/** `holdfast …`, as a person types it; killed right after the first such command of virsh, which it gives 1 MB/s. */
export async function startAsTyped({ asked, directory }: Started, { dyingAfter }: { dyingAfter?: string } = {}) {
  const programs = join(directory, 'programs')
  const { stdout: virsh } = await execa('which', ['virsh'])
  const script = `#!/bin/sh
case "$*" in *${dyingAfter}*) ${virsh} "$@" --bandwidth=1; kill -9 $PPID;; *) exec ${virsh} "$@";; esac
`
  await mkdir(programs, { recursive: true })
  await writeFile(join(programs, 'virsh'), script)
  await chmod(join(programs, 'virsh'), 0o755)
  const path = `${dyingAfter === undefined ? '' : `${programs}${delimiter}`}${process.env.PATH}`
  return await execa(process.execPath, [launcher, ...asked], {
    ...{ cwd: directory, env: { PATH: path }, stdin: 'ignore', reject: false, timeout: 90_000 },
  })
}
