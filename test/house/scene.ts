/** A house with files to protect and a vault, and what the tests look at. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'
import type { Reported } from '../../bus/events.ts'
import { events } from '../../bus/events.ts'
import type { SourceConfig, VaultConfig } from '../../infra/config.ts'
import { type Backup, readInventory } from '../../infra/inventory.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { vaultOf } from '../../infra/vaults/all.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { type House, type HouseOptions, openHouse } from '../services/house.ts'

export interface Scene extends House {
  directory: string
  /** Where the file of `docs` lies. */
  letter: string
  vault: string
  /** Asks for backups and waits until they are reported, one report for each. */
  backUp(...sources: string[]): Promise<Reported[]>
  /** Asks the desk. */
  ask(endpoint: string, question: object): Promise<unknown>
  /** What lies in the root, or in the vault. */
  backups(place?: 'root' | 'vault'): Promise<Backup[]>
}

/** A source of any kind, with the options that its kind makes of these. */
export function source(kind: string, options: object, more: Partial<SourceConfig> = {}): HouseOptions['sources'][string] {
  return { kind, options: sourceOf(kind)?.options.parse(options), ...more }
}

/** A vault of any kind. */
export function vault(
  kind: string,
  options: object,
  more: Partial<VaultConfig> = {},
): NonNullable<HouseOptions['vaults']>[string] {
  return { kind, options: vaultOf(kind)?.options.parse(options), ...more }
}

/** The source `docs`, a letter, and the vault `nas`, unless told otherwise. Stopped when the test ends. */
export async function openScene(options: Partial<HouseOptions> = {}): Promise<Scene> {
  const directory = options.directory ?? (await temporaryDirectory())
  const [data, letter, nas] = [join(directory, 'data'), join(directory, 'data', 'letter.txt'), join(directory, 'vault')]
  await mkdir(data, { recursive: true })
  await writeFile(letter, 'dear reader')
  const house = await openHouse({
    directory,
    sources: { docs: source('files', { paths: [data] }) },
    vaults: { nas: vault('rsync', { path: nas }) },
    ...options,
  })
  onTestFinished(() => house.stop())
  // Whoever asks next is heard.
  await house.cell.connection.flush()
  const local = house.tools.host('local')
  return {
    ...house,
    ...{ directory, letter, vault: nas },
    async backUp(...sources) {
      const before = (await house.said(events.report.done)).length
      // A second is as fine as ids are.
      if (before > 0) await sleep(1005 - (Date.now() % 1000))
      const wanted = sources.length ? sources : Object.keys(house.configuration.sources)
      await house.tick({ sources: wanted })
      return (await house.hears(events.report.done, before + wanted.length)).slice(before)
    },
    async ask(endpoint, question) {
      const { connection, prefix } = house.cell
      return (await connection.request(`${prefix}.${endpoint}`, JSON.stringify(question), { timeout: 20_000 })).json()
    },
    backups: async (place = 'root') => (await readInventory(local, place === 'root' ? house.root : join(nas, 'here'))).backups,
  }
}

/** The only one of a list; throws where there are others, or none. */
export function only<Thing>(things: readonly Thing[]): Thing {
  const [thing, ...others] = things
  if (thing === undefined || others.length > 0) throw new Error(`expected one, found ${JSON.stringify(things)}`)
  return thing
}

/** What of a tree has to come back: kinds, modes, owners, links, sizes, times, and the sums of files. */
export async function portrait(tree: string): Promise<string[]> {
  const env = { LC_ALL: 'C', TZ: 'UTC' }
  const run = async (program: string, ...argv: string[]) => (await execa(program, argv, { cwd: tree, env })).stdout
  const files = await run('find', '.', '!', '-type', 'd', '-printf', '%P %y %m %U:%G %n %s %T@ %l\\n')
  const directories = await run('find', '.', '-type', 'd', '-printf', '%P %y %m %U:%G %T@\\n')
  const sums = await run('find', '.', '-type', 'f', '-exec', 'sha256sum', '{}', '+')
  return [files, directories, sums].flatMap(text => text.split('\n')).sort()
}

/** Until the test ends, a program's name on the PATH means this script first; in it `"$@"` finds the true one. */
export async function shadow(program: string, script: string): Promise<void> {
  const [bin, path] = [await temporaryDirectory(), process.env.PATH ?? '']
  await writeFile(join(bin, program), `#!/bin/sh\nPATH=${path}\n${script}\n`, { mode: 0o755 })
  process.env.PATH = `${bin}${delimiter}${path}`
  onTestFinished(() => {
    process.env.PATH = path
  })
}

/** Flips the lowest bit of a file's last byte. */
export async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  await writeFile(path, bytes)
}

/** Every name below a directory, hidden ones too, without the days themselves. */
export async function names(directory: string): Promise<string[]> {
  const { stdout } = await execa('find', [directory, '-mindepth', '2', '-maxdepth', '2', '-printf', '%f\\n'])
  return stdout.split('\n').filter(Boolean).sort()
}
