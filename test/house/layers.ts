/** Who may import whom. */
import { posix } from 'node:path'
import type { SourceFile } from './tree.ts'

/** The rooms each room may import, itself included. Tests and benches may import everything. */
const reach: Record<string, readonly string[]> = {
  bus: ['bus'],
  infra: ['infra'],
  functions: ['bus', 'infra'],
  web: ['web', 'bus', 'infra'],
  cli: ['cli', 'web', 'functions', 'bus', 'infra'],
}

/** Packages that only one room knows, so that a change of mind stays small. */
const homes: Record<string, RegExp> = {
  nats: /^(bus|test|bench)\//,
  commander: /^cli\//,
  '@inquirer/prompts': /^cli\//,
}

/** How a function is declared. Functions know no other file of their room: facts are what joins them. */
export const DECLARING = 'functions/define.ts'

const kinds: Record<string, string> = { hosts: 'host', sources: 'source', vaults: 'vault', notifiers: 'notifier' }

/** What every driver stands on besides its contract. */
const ground = /^infra\/((errors|layout|manifest|inventory|backups|duration)\.ts|tools\/.+)$/

export function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '.'
}

/** What a file imports although it may not, each as a sentence. */
export function trespasses({ path, imports }: SourceFile): string[] {
  return imports.filter(name => !mayImport(path, name)).map(name => `${path} imports ${name}`)
}

function mayImport(path: string, name: string): boolean {
  if (!isOurs(name)) return homes[name]?.test(path) ?? true
  const allowed = reach[roomOf(path)]
  if (!allowed || isList(path)) return true
  if (name === DECLARING) return roomOf(path) === 'functions'
  if (!allowed.includes(roomOf(name))) return false
  const driver = driverOf(path)
  return driver === undefined ? mayReachDriver(path, name) : mayDriverImport(driver, name)
}

function isOurs(name: string): boolean {
  return /^(\.\.?\/|(bus|infra|functions|web|cli|bench|test)\/|[^/]+\.(ts|js|json)$)/.test(name)
}

/** Lists name every member of their room: that is what they are for. */
function isList(path: string): boolean {
  return path === 'functions/index.ts' || /^infra\/[a-z]+\/all\.ts$/.test(path)
}

/** Nobody but its list knows a driver; `cli` may, as it knows everybody. */
function mayReachDriver(path: string, name: string): boolean {
  return driverOf(name) === undefined || roomOf(path) === 'cli'
}

function mayDriverImport(driver: string, name: string): boolean {
  return driverOf(name) === driver || isContract(name) || ground.test(name)
}

function isContract(name: string): boolean {
  return Object.entries(kinds).some(([folder, contract]) => name === `infra/${folder}/${contract}.ts`)
}

/** `infra/hosts/local.ts` and `infra/hosts/local/pipe.ts` are the driver `hosts/local`; a contract and a list are none. */
function driverOf(path: string): string | undefined {
  const [room, folder = '', member = ''] = path.split('/')
  const contract = kinds[folder]
  if (room !== 'infra' || contract === undefined || isContract(path) || isList(path)) return undefined
  return posix.join(folder, member.replace(/\.ts$/, ''))
}
