/** A guest that was backed up through the whole chain, for what tries its backups out. */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import type { EventKind } from '../../../../bus/event.ts'
import { readInventory } from '../../../../infra/inventory.ts'
import { Manifest } from '../../../../infra/manifest.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { vault } from '../../../house/scene.ts'
import { manifestText, sha256 } from '../../../services/backup.ts'
import { defineGuest, type Guest, type GuestOptions } from '../../../services/guest.ts'
import { events, type House, type HouseOptions, openHouse } from '../../../services/house.ts'
import { type Libvirt, type LibvirtOptions, startLibvirt } from '../../../services/libvirt.ts'
import { until } from '../../../services/until.ts'

export interface Trial extends AsyncDisposable {
  libvirt: Libvirt
  guest: Guest
  house: House
  /** Backs it up, and answers with where that lies. */
  backUp(mode?: string): Promise<{ id: string; directory: string }>
  /** Asks the desk; the answer's request. */
  ask(endpoint: string, question: object): Promise<string>
  /** The names of all domains that libvirt knows. */
  domains(): Promise<string[]>
  /** Owner, mode and access list of everything in the root and the vault. */
  rights(): Promise<string>
  /** The end of what was asked for with this request. */
  ended(step: 'drill' | 'restore', request: string): Promise<object>
}

const Answer = z.object({ request: z.string() })

export interface TrialOptions {
  guest?: Partial<GuestOptions>
  source?: object
  house?: Partial<HouseOptions>
  /** A vault `nas` on this machine. */
  vault?: boolean
}

/** Booted and ready. The root is 0700, as everywhere, in a directory that QEMU's user may pass. */
export async function openTrial(options: LibvirtOptions & TrialOptions = {}): Promise<Trial> {
  const libvirt = await startLibvirt(options)
  const guest = await defineGuest(libvirt, { name: 'zeus', video: true, ...options.guest })
  if (options.guest?.agent === 'absent') await guest.start()
  else await guest.boot()
  const zeus = { kind: 'vm', options: Options.parse({ uri: libvirt.uri, ...options.source }) }
  const vaults = { nas: vault('rsync', { path: join(libvirt.images, 'vault') }) }
  const rest = { ...(options.vault ? { vaults } : {}), ...options.house }
  const house = await openHouse({ directory: join(libvirt.images, 'house'), sources: { zeus }, ...rest })
  await chmod(house.root, 0o700)
  const backups = async () => (await readInventory(house.tools.host('local'), house.root)).backups
  const stop = async () => {
    await house.stop()
    await libvirt.stop()
  }
  return {
    ...{ libvirt, guest, house },
    async backUp(mode) {
      const before = (await house.said(events.report.done)).length
      await new Promise(resolve => setTimeout(resolve, 1005 - (Date.now() % 1000)))
      await house.tick({ sources: ['zeus'], ...(mode && { mode }) })
      const [reported] = (await house.hears(events.report.done, before + 1, 60)).slice(before)
      const made = (await backups()).find(({ manifest }) => manifest.id === reported?.id)
      if (!made?.verified) throw new Error(`no good backup: ${JSON.stringify(reported)}`)
      return { id: made.manifest.id, directory: made.directory }
    },
    async ask(endpoint, question) {
      const { connection, prefix } = house.cell
      const reply = await connection.request(`${prefix}.${endpoint}`, JSON.stringify(question), { timeout: 20_000 })
      return Answer.parse(reply.json()).request
    },
    async domains() {
      return (await libvirt.virsh('list', '--all', '--name')).split('\n').filter(Boolean).sort()
    },
    async rights() {
      const places = [house.root, ...(options.vault ? [join(libvirt.images, 'vault')] : [])]
      const { stdout } = await execa('getfacl', ['--recursive', '--numeric', '--absolute-names', '--', ...places])
      const modes = await execa('find', [...places, '-printf', '%p %U:%G %m\\n'])
      // What restores and drills note of themselves comes and goes.
      const blocks = [...stdout.split('\n\n'), ...modes.stdout.split('\n')]
        .map(text => text.trim())
        .filter(text => !text.includes('/.restores'))
      return blocks
        .filter(text => !text.includes('/drills'))
        .sort()
        .join('\n')
    },
    async ended(step, request) {
      const end = async () => {
        const { done, failed } = events[step]
        return [...(await house.said<EventKind>(done)), ...(await house.said<EventKind>(failed))].find(
          fact => 'request' in fact && fact.request === request,
        )
      }
      return until(`the ${step} has ended`, end, { seconds: 150 })
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** Changes an artifact of a backup as if it had been captured and verified so. */
export async function forge(directory: string, name: string, change: (text: string) => string): Promise<void> {
  const manifest = Manifest.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')))
  const text = change(await readFile(join(directory, name), 'utf8'))
  await writeFile(join(directory, name), text)
  const artifacts = manifest.artifacts.map(old =>
    old.name === name ? { name, bytes: Buffer.byteLength(text), sha256: sha256(text) } : old,
  )
  const bytes = artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0)
  const forged = manifestText({ ...manifest, artifacts, bytes })
  await writeFile(join(directory, 'manifest.json'), forged)
  const verified = { at: manifest.at, manifest: sha256(forged), checks: [] }
  await writeFile(join(directory, 'verified.json'), JSON.stringify(verified))
}
