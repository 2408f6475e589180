/** A domain's XML for a copy beside the original: nothing that must be one of a kind is shared. Pure. */
import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { child, children, domainText, parseDomain, prepend, rootOf, textOf } from '../../tools/domain-xml.ts'
import { type NewDisk, placeDisks } from './place-disks.ts'

type Element = ReturnType<typeof rootOf>

export interface Renaming {
  name: string
  /** The same seed makes the same UUID and MACs: a restore may be done twice. */
  seed: string
  disks: readonly NewDisk[]
  /** The copy's own UEFI variables; undefined: libvirt makes new ones. */
  nvram?: string | undefined
  /** The copy's own TPM's state, where the XML says a place; undefined: libvirt makes it in its own. */
  tpm?: string | undefined
}

export interface Renamed {
  xml: string
  uuid: string
  /** Targets of disks that the copy does without: they are not in the backup, and the original uses them. */
  leftOut: string[]
}

export function rename(xml: string, { name, seed, disks, nvram, tpm }: Renaming): Renamed {
  const document = parseDomain(xml)
  const root = rootOf(document)
  const old = textOf(root, 'name') ?? ''
  const uuid = uuidOf(`${seed} uuid`)
  setText(root, 'name', name)
  setText(root, 'uuid', uuid)
  for (const id of children(root, 'genid')) id.textContent = uuidOf(`${seed} genid`)
  renameSystem(root, uuid)
  const leftOut = placeDisks(document, disks)
  for (const os of children(root, 'os')) placeVariables(os, nvram)
  for (const devices of children(root, 'devices')) {
    for (const [index, card] of children(devices, 'interface').entries()) renumber(card, `${seed} ${index}`)
    for (const kind of ['serial', 'console', 'parallel', 'channel'])
      for (const port of children(devices, kind)) move(port, old, name)
    for (const screen of children(devices, 'graphics')) freeScreen(screen)
    for (const device of children(devices, 'tpm')) placeTpm(device, tpm)
  }
  return { xml: domainText(document), uuid, leftOut }
}

/** 52:54:00 is QEMU's own prefix. */
export function macOf(seed: string): string {
  const [a, b, c] = [0, 2, 4].map(at => digest(seed).slice(at, at + 2))
  return `52:54:00:${a}:${b}:${c}`
}

/** Version 4 in form; made from the seed. */
export function uuidOf(seed: string): string {
  const hex = digest(seed)
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16)
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}

function placeVariables(os: Element, path: string | undefined): void {
  for (const nvram of children(os, 'nvram')) {
    if (path === undefined) os.removeChild(nvram)
    else nvram.textContent = path
  }
}

function placeTpm(device: Element, path: string | undefined): void {
  for (const backend of children(device, 'backend').filter(each => each.getAttribute('type') === 'emulator'))
    for (const source of children(backend, 'source')) {
      if (path === undefined) backend.removeChild(source)
      else source.setAttribute('path', path)
    }
}

/** libvirt refuses a UUID in the BIOS that is another than the domain's. */
function renameSystem(root: Element, uuid: string): void {
  for (const info of children(root, 'sysinfo'))
    for (const system of children(info, 'system'))
      for (const entry of children(system, 'entry')) if (entry.getAttribute('name') === 'uuid') entry.textContent = uuid
}

function renumber(card: Element, seed: string): void {
  const mac = child(card, 'mac') ?? prepend(card, 'mac')
  mac.setAttribute('address', macOf(seed))
  // Names of host devices are one of a kind too; libvirt finds free ones.
  for (const target of children(card, 'target')) card.removeChild(target)
}

/** Files and sockets that two domains cannot write to at once. */
function move(port: Element, old: string, name: string): void {
  for (const tag of ['source', 'log']) {
    for (const element of children(port, tag)) {
      const attribute = tag === 'log' ? 'file' : 'path'
      const path = element.getAttribute(attribute)
      if (path === null || path === '') continue
      if (tag === 'source' && port.getAttribute('type') === 'unix') port.removeChild(element)
      else if (tag === 'log' || port.getAttribute('type') === 'file') element.setAttribute(attribute, pathFor(path, old, name))
    }
  }
}

function freeScreen(screen: Element): void {
  screen.removeAttribute('socket')
  if (screen.getAttribute('port')) {
    screen.setAttribute('port', '-1')
    screen.setAttribute('autoport', 'yes')
  }
  for (const listen of children(screen, 'listen')) listen.removeAttribute('socket')
}

/** `/var/log/zeus.console` → `/var/log/zeus-copy.console`; without the name in it, the new name comes first. */
export function pathFor(path: string, old: string, name: string): string {
  const file = basename(path)
  const renamed = file.startsWith(old) && old !== '' ? `${name}${file.slice(old.length)}` : `${name}_${file}`
  return join(dirname(path), renamed)
}

function setText(parent: Element, name: string, text: string): void {
  const element = child(parent, name) ?? prepend(parent, name)
  element.textContent = text
}

function digest(seed: string): string {
  return createHash('sha256').update(seed).digest('hex')
}
