/** Tests on real programs: where one is missing they are skipped aloud, and in CI they fail. */
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'
import { guestKernel } from './guest-image.ts'

/** A program on the PATH; a file by its whole path; the right to mount and to change owners; a kernel for guests; or all that real virtual machines need. */
export type Requirement = 'root' | 'guest kernel' | 'libvirt' | (string & {})

const hypervisor = ['libvirtd', 'virsh', 'qemu-system-x86_64', 'qemu-img', 'unshare', 'nsenter', 'setpriv', 'root']
const guest = ['guest kernel', 'busybox', 'qemu-ga', 'cpio', 'mkfs.ext4', 'e2fsck', 'debugfs']

/** `describe` where everything is there, otherwise `describe.skip`: `requires('rsync')('rsync vault', () => { … })` */
export function requires(...requirements: readonly Requirement[]): (name: string, suite: () => void) => void {
  return available(...requirements) ? describe : describe.skip
}

/** The same as a flag, for `test.skipIf(!available('tar'))`. Throws in CI where something is missing. */
export function available(...requirements: readonly Requirement[]): boolean {
  const all = requirements.flatMap(requirement => (requirement === 'libvirt' ? [...hypervisor, ...guest] : [requirement]))
  const missing = all.filter(requirement => !isHere(requirement))
  if (missing.length === 0) return true
  const message = `These tests need ${missing.join(', ')}`
  if (process.env.CI === 'true') throw new Error(`${message}; with CI=true nothing is skipped. Install it.`)
  console.warn(`${message}: skipped.`)
  return false
}

function isHere(requirement: Requirement): boolean {
  if (requirement === 'root') return process.getuid?.() === 0
  if (requirement === 'guest kernel') return guestKernel() !== undefined
  return requirement.startsWith('/') ? existsSync(requirement) : onPath(requirement)
}

function onPath(program: string): boolean {
  // Debian keeps mount, losetup and their like out of a plain user's PATH.
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return directories.some(directory => executable(join(directory, program)))
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
