/** What exists on the hosts, of every kind that can tell, and which of it is protected. */
import { HoldfastError, messageOf } from './errors.ts'
import type { Found, Source } from './sources/source.ts'
import type { Tools } from './tools.ts'

export interface DiscoveredPart {
  name: string
  description: string
  /** The sources that capture it. */
  sources: string[]
  /** Why no source can; undefined where one could. */
  obstacle: string | undefined
}

export interface Discovered {
  host: string
  kind: string
  name: string
  place: string | undefined
  description: string
  /** The sources that are about it, even where they leave all its parts out. */
  sources: string[]
  /** All: every part that a source can capture is captured by one. */
  covered: 'all' | 'part' | 'none'
  parts: DiscoveredPart[]
}

export interface Discovery {
  found: Discovered[]
  /** What could not be looked at, as sentences. */
  problems: string[]
}

/** Looks on each of the hosts. One that cannot be reached hides no other. */
export async function discoverOn(tools: Tools, hosts: readonly string[], kinds: readonly Source[]): Promise<Discovery> {
  const discovery: Discovery = { found: [], problems: [] }
  for (const host of hosts)
    for (const kind of kinds) {
      try {
        discovery.found.push(...(await lookFor(tools, host, kind)))
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error
        discovery.problems.push(`${kind.kind} on ${host}: ${messageOf(error)}${error.hint ? `\n  ${error.hint}` : ''}`)
      }
    }
  return discovery
}

/** Whether something, or a part of it that could be captured, is in no backup. */
export function isOpen({ covered }: Discovered): boolean {
  return covered !== 'all'
}

async function lookFor({ configuration, host }: Tools, name: string, kind: Source): Promise<Discovered[]> {
  if (!kind.discover) return []
  const sources = Object.entries(configuration.sources)
    .filter(([, source]) => source.kind === kind.kind && source.host === name)
    .map(([source, { options }]) => ({ source, options }))
  const found = await kind.discover(
    host(name),
    sources.map(({ options }) => options),
  )
  return found.map(thing => ({ host: name, kind: kind.kind, ...withCoverage(thing, kind, sources) }))
}

type Configured = readonly { source: string; options: unknown }[]

function withCoverage(found: Found, kind: Source, configured: Configured): Omit<Discovered, 'host' | 'kind'> {
  const about = configured.flatMap(({ source, options }) => {
    const captured = kind.captures?.(found, source, options)
    return captured ? [{ source, captured }] : []
  })
  const parts = found.parts.map(({ name, description, obstacle }) => ({
    name,
    description,
    sources: about.filter(({ captured }) => captured.includes(name)).map(({ source }) => source),
    obstacle,
  }))
  const { name, place, description } = found
  return { name, place, description, sources: about.map(({ source }) => source), covered: coverageOf(parts), parts }
}

function coverageOf(parts: readonly DiscoveredPart[]): Discovered['covered'] {
  const possible = parts.filter(({ obstacle }) => obstacle === undefined)
  const captured = possible.filter(({ sources }) => sources.length)
  if (!captured.length) return 'none'
  return captured.length === possible.length ? 'all' : 'part'
}
