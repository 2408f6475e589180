/** A chain of three backups of a domain, made with qemu-img alone: no libvirt is needed to verify one and to take a disk out of it. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { execa } from 'execa'
import { backupDirectory, backupId, MANIFEST } from '../../../../infra/layout.ts'
import { Manifest } from '../../../../infra/manifest.ts'
import type { Details } from '../../../../infra/sources/vm/details.ts'
import { instructions } from '../../../../infra/sources/vm/instructions.ts'

export const MB = 1024 * 1024
export const uuid = '8c5c7f0c-3c3f-4e7e-9a3e-0d9f6f0b1a11'
const SIZE = 8 * MB

export interface Stored {
  directory: string
  manifest: Manifest
}

/** Oldest first. Night n fills megabyte n with the byte n + 1. */
export async function storedChain(root: string, nights = 3): Promise<[Stored, Stored, Stored, ...Stored[]]> {
  const made: Stored[] = []
  for (let night = 0; night < nights; night++) made.push(await storeNight(root, night, made.at(-1)))
  const [full, one, two, ...more] = made
  if (!full || !one || !two) throw new Error('three at least')
  return [full, one, two, ...more]
}

async function storeNight(root: string, night: number, parent: Stored | undefined): Promise<Stored> {
  const at = new Date(Date.parse('2026-11-18T02:00:00Z') + night * 24 * 3600_000).toISOString()
  const name = { id: backupId('zeus', new Date(at)), day: at.slice(0, 10) }
  const directory = backupDirectory(root, name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const image = join(directory, 'zeus_vda.qcow2')
  const backing = parent ? relative(directory, join(parent.directory, 'zeus_vda.qcow2')) : null
  const on = backing ? ['-F', 'qcow2', '-b', backing] : []
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', ...on, image, String(SIZE)], { cwd: directory })
  await execa('qemu-io', ['-f', 'qcow2', '-c', `write -P ${night + 1} ${night}M 1M`, image])
  await writeFile(join(directory, 'zeus.xml'), definition)
  const details: Details = {
    ...{ uri: 'qemu:///system', domain: 'zeus', uuid, mode: 'live', method: 'incremental', why: 'it runs', ran: true },
    ...{ xml: 'zeus.xml', nvram: null, tpm: null, workspace: null, frozen: 12, downtime: null, dirty: null, inside: null },
    images: [
      {
        ...{ target: 'vda', artifact: 'zeus_vda.qcow2', format: 'qcow2', capacity: SIZE },
        ...{ source: '/var/lib/libvirt/images/zeus.qcow2', sourceFormat: 'qcow2', parent: backing },
      },
    ],
  }
  const described = { source: 'zeus', id: name.id, parent: parent?.manifest.id ?? null, details }
  await writeFile(join(directory, 'RESTORE.md'), instructions(described))
  const artifacts = await Promise.all(
    ['zeus.xml', 'zeus_vda.qcow2', 'RESTORE.md'].map(artifact => artifactOf(directory, artifact)),
  )
  const manifest = Manifest.parse({
    ...{ version: 1, ...name, source: 'zeus', kind: 'vm', host: { name: 'local', label: 'here' }, at, plans: ['nightly'] },
    ...{ captured: { from: at, to: at }, parent: described.parent, encryption: null, artifacts, tools: {}, details },
    consistency: { asked: 'filesystem', achieved: 'filesystem' },
    bytes: artifacts.reduce((sum, { bytes }) => sum + bytes, 0),
    warnings: { count: 0, first: [] },
  })
  await settle({ directory, manifest }, at)
  return { directory, manifest }
}

/** Writes the manifest and says that it was verified. */
export async function settle({ directory, manifest }: Stored, at: string): Promise<void> {
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`
  await writeFile(join(directory, MANIFEST), text)
  await writeFile(join(directory, 'verified.json'), JSON.stringify({ at, manifest: sha256(text), checks: [] }))
}

/** The manifest with what the files are now: what the kind itself finds is then not found by checksums before it. */
export async function resealed({ directory, manifest }: Stored): Promise<Stored> {
  const artifacts = await Promise.all(manifest.artifacts.map(({ name }) => artifactOf(directory, name)))
  const sealed = { directory, manifest: { ...manifest, artifacts } }
  await settle(sealed, manifest.at)
  return sealed
}

async function artifactOf(directory: string, name: string) {
  const path = join(directory, name)
  return { name, bytes: (await stat(path)).size, sha256: sha256(await readFile(path)) }
}

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The byte that fills each megabyte of an image, chain included. */
export async function megabytes(image: string): Promise<number[]> {
  const raw = `${image}.raw`
  await execa('qemu-img', ['convert', '-O', 'raw', image, raw], { cwd: dirname(image) })
  const bytes = await readFile(raw)
  return Array.from({ length: SIZE / MB }, (_, index) => {
    const part = bytes.subarray(index * MB, (index + 1) * MB)
    return part.every(byte => byte === part[0]) ? (part[0] ?? -1) : -1
  })
}

export const definition = `<domain type='qemu'>
  <name>zeus</name>
  <uuid>${uuid}</uuid>
  <memory unit='KiB'>262144</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/var/lib/libvirt/images/zeus.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>
`
