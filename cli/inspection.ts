/** Looks whether everything a configuration names is there: programs, sources, vaults. Changes nothing. */
import { dirname } from 'node:path'
import { z } from 'zod'
import { formatDuration } from '../infra/duration.ts'
import { messageOf } from '../infra/errors.ts'
import { bytesOf, mostNights } from '../infra/estimate.ts'
import type { Host } from '../infra/hosts/host.ts'
import { missingTools, type Program, packagesOf, thisMachine } from '../infra/install.ts'
import { verifiedBackups } from '../infra/inventory.ts'
import type { ProtectedSource, Tools } from '../infra/tools.ts'
import { size } from './print.ts'
import type { Session } from './session.ts'

export interface Finding {
  /** `source notes`, `vault shelf`, `tar on local`. */
  what: string
  ok: boolean
  found: string
  hint: string | undefined
}

/** Everything at once: one thing that is missing hides no other. */
export async function inspect(session: Session): Promise<Finding[]> {
  const { configuration, tools } = session
  const sources = await Promise.all(Object.keys(configuration.sources).map(name => lookAtSource(tools.source(name), tools)))
  const vaults = await Promise.all(Object.keys(configuration.vaults).map(name => lookAtVault(name, session)))
  const versions = new Map(
    sources.flatMap(({ host, tools }) =>
      Object.entries(tools).map(([tool, version]) => [`${tool} on ${host}`, version] as const),
    ),
  )
  const programs = [...versions].map(([what, found]) => good(what, found))
  return [...programs, ...(await localPrograms(session)), ...sources.map(({ finding }) => finding), ...vaults]
}

/** What this machine itself needs, besides what its sources do. */
async function localPrograms({ configuration, tools }: Session): Promise<Finding[]> {
  const kinds = new Set(Object.values(configuration.vaults).map(({ kind }) => kind))
  const wanted: Program[] = [
    ...(configuration.nats ? [] : ['nats-server' as const]),
    ...(kinds.has('rsync') ? ['rsync' as const] : []),
  ]
  return Promise.all(wanted.map(program => lookAtProgram(program, tools.host('local'))))
}

async function lookAtProgram(program: Program, host: Host): Promise<Finding> {
  const what = `${program} on local`
  const hint = `Install ${packagesOf([program]).join(' ')}, or let holdfast start do it.`
  if (missingTools([program]).length) return { what, ok: false, found: 'is not on this machine', hint }
  const { stdout } = await host.run([program, '--version'], { env: { PATH: thisMachine().path } })
  return good(what, /\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'there')
}

/** A snapshot that holds nothing is a look: is it there, readable, of its kind, and does it fit. Kinds whose snapshot holds something have a look of its own. */
async function lookAtSource(
  source: ProtectedSource,
  all: Tools,
): Promise<{ finding: Finding; host: string; tools: Record<string, string> }> {
  const { name, driver, host, hostConfig, config } = source
  const what = `source ${name}`
  if (driver.release && !driver.inspect)
    return { finding: good(what, `${config.kind}, not looked at: that would hold it`), host: host.name, tools: {} }
  try {
    const warnings: string[] = []
    const work = {
      host,
      source: name,
      id: `${name}-check`,
      options: config.options,
      root: hostConfig.root,
      signal: new AbortController().signal,
    }
    const look = (driver.inspect ?? driver.snapshot).bind(driver)
    const earlier = () => verifiedBackups(host, hostConfig.root, name)
    const warn = (message: string) => warnings.push(message)
    const { expected, tools } = await look({ ...work, mode: undefined, earlier, progress: () => {}, warn })
    const found = [`${config.kind}, ${size(expected)}`, ...(await chainsOf(source, all)), ...warnings].join('; ')
    return { finding: good(what, found), host: host.name, tools }
  } catch (error) {
    return { finding: bad(what, error), host: host.name, tools: {} }
  }
}

/** How much more than they say the plans of a source keep, where its backups build on each other. */
async function chainsOf({ name, driver, config, host, hostConfig }: ProtectedSource, tools: Tools): Promise<string[]> {
  const length = driver.chain?.(config.options)
  if (length === undefined) return []
  const backups = await verifiedBackups(host, hostConfig.root, name)
  const { free } = await host.space(hostConfig.root)
  return config.plans.flatMap(plan => {
    const most = mostNights(tools.plan(plan).keep, length)
    if (!most) return []
    const room = bytesOf(most, backups)
    const bytes = room
      ? `, about ${size(room.all)} (${most.chains} × ${size(room.full)} and increments of ${size(room.increment)}; ${size(free)} free)`
      : ''
    return [`${plan} may hold up to ${most.nights} nights, since a chain of ${formatDuration(length)} expires as a whole${bytes}`]
  })
}

async function lookAtVault(name: string, { tools }: Session): Promise<Finding> {
  const what = `vault ${name}`
  const { vault, config } = tools.vault(name)
  try {
    const { free, total } = await vault.space()
    return good(what, `${config.kind}, ${size(free)} of ${size(total)} free`)
  } catch (error) {
    const parent = vault.host && (await parentOf(config.options, vault.host))
    return parent ? good(what, `${config.kind}, new: its first backup makes it in ${parent}`) : bad(what, error)
  }
}

/** The directory around a vault that is not there yet. Kinds say where they are in `path`. */
async function parentOf(options: unknown, host: Host): Promise<string | undefined> {
  const { data } = z.object({ path: z.string() }).safeParse(options)
  if (!data || (await host.stat(data.path))) return undefined
  return (await host.stat(dirname(data.path))) ? dirname(data.path) : undefined
}

function good(what: string, found: string): Finding {
  return { what, ok: true, found, hint: undefined }
}

function bad(what: string, error: unknown): Finding {
  const hint = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined
  return { what, ok: false, found: messageOf(error), hint }
}
