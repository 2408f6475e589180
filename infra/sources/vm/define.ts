/** Tells libvirt what a domain is. */
import { join } from 'node:path'
import { child, children, describeDomain, domainText, parseDomain, rootOf } from '../../tools/domain-xml.ts'
import { ask, askUnless, type Guest, xmlOf } from '../../tools/guest.ts'
import { virsh } from '../../tools/virsh.ts'
import type { RestoreWork } from '../source.ts'
import type { Details } from './details.ts'
import { existing } from './find-domain.ts'
import { originalsOf, type Placed } from './goal.ts'
import { withDisks } from './place-disks.ts'

type Work = RestoreWork<unknown>

/** The XML of the backup. */
export async function xmlOfBackup({ host, directory }: Work, { xml }: Details): Promise<string> {
  return Buffer.from(await host.read(join(await host.resolve(directory), xml))).toString('utf8')
}

/** The same for the restored disks, which stand on nothing, and with the passwords that the domain has now. */
export async function definitionOf(work: Work, details: Details, now: string | null): Promise<string> {
  return await definedWith(work, details, now, () => false)
}

/** The same for the disks that lie there now: one that was restored meanwhile is encrypted no more. */
export async function definitionAlone(work: Work, details: Details, now: string | null): Promise<string> {
  const there = now === null ? [] : describeDomain(now).disks
  const isEncrypted = (path: string) => there.find(({ source }) => source === path)?.encrypted ?? true
  return await definedWith(work, details, now, isEncrypted)
}

async function definedWith(work: Work, details: Details, now: string | null, isEncrypted: (path: string) => boolean) {
  const disks = originalsOf(details.images).map(({ image, path, format }) => ({
    ...{ target: image.target, path, format, encrypted: isEncrypted(path) },
  }))
  const xml = withDisks(await xmlOfBackup(work, details), disks)
  return now === null ? xml : withPasswords(xml, now)
}

/** Where a restored disk takes the place of one that the definition describes otherwise: it stands on nothing, and is not encrypted. */
export function withRestored(xml: string, placed: readonly Placed[]): string {
  return withDisks(
    xml,
    placed.map(({ image, path, format }) => ({ target: image.target, path, format })),
  )
}

/** A screen must not be open to everybody because the backup knows no secrets. Pure. */
export function withPasswords(xml: string, now: string): string {
  const document = parseDomain(xml)
  const [screens, before] = [screensOf(document), screensOf(parseDomain(now))]
  for (const screen of screens) {
    const same = before.find(other => other.getAttribute('type') === screen.getAttribute('type') && other.getAttribute('passwd'))
    for (const name of ['passwd', 'passwdValidTo', 'connected']) {
      const value = same?.getAttribute(name)
      if (value && !screen.getAttribute(name)) screen.setAttribute(name, value)
    }
  }
  return domainText(document)
}

function screensOf(document: ReturnType<typeof parseDomain>) {
  const devices = child(rootOf(document), 'devices')
  return devices ? children(devices, 'graphics') : []
}

/** A second time changes nothing. */
export async function define({ host, scratch }: Work, guest: Guest, xml: string): Promise<void> {
  const file = join(scratch, 'domain.xml')
  await host.makeDirectory(scratch)
  await host.write(file, xml)
  await virsh(guest, ['define', `--file=${file}`])
}

const UNDEFINE = ['undefine', '--keep-nvram', '--checkpoints-metadata', '--snapshots-metadata', '--managed-save'] as const

/** libvirt before 8.9, where the state always goes. */
const NEVER_KEPT = /support option --keep-tpm|unsupported flags/

/** Its disks and its UEFI variables stay: those who made them take them away. The state of its TPM goes, unless it was there before. */
export async function undefine(guest: Guest, { keepTpm = false } = {}): Promise<void> {
  if (!(await existing(guest))) return
  const keeps = keepTpm && describeDomain(await xmlOf(guest, { inactive: true })).tpm !== undefined
  if (keeps && (await askUnless(guest, NEVER_KEPT, ...UNDEFINE, '--keep-tpm')) !== undefined) return
  await ask(guest, ...UNDEFINE)
}
