import type { Command } from 'commander'
import { type Discovered, type DiscoveredPart, discoverOn, isOpen } from '../../infra/discovery.ts'
import { sources } from '../../infra/sources/all.ts'
import { exitCodes } from '../errors.ts'
import { note, say, sayJson, sayTable } from '../print.ts'
import { type GlobalOptions, openSession } from '../session.ts'

interface Options extends GlobalOptions {
  host?: string
  json?: boolean
}

/** `holdfast discover`: what exists on the hosts, and what of it nothing protects. */
export function discoverCommand(program: Command): void {
  program
    .command('discover')
    .description('show what exists on the hosts, such as virtual machines and their disks, and what no source protects')
    .option('--host <name>', 'on this host alone')
    .option('--json', 'as JSON')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      await using session = await openSession(options)
      const { configuration, tools } = session
      if (options.host !== undefined) tools.host(options.host)
      const hosts = options.host === undefined ? Object.keys(configuration.hosts) : [options.host]
      const { found, problems } = await discoverOn(tools, hosts, sources)
      for (const problem of problems) note(`holdfast: ${problem}`)
      if (options.json) sayJson({ found, problems })
      else if (found.length || !problems.length) print(found)
      if (problems.length) process.exitCode = exitCodes.failed
    })
}

function print(found: readonly Discovered[]): void {
  if (!found.length) {
    say('Nothing was found of the kinds that can be looked for.')
    return
  }
  sayTable([['HOST', 'KIND', 'NAME', 'FOUND', 'PROTECTED'], ...found.flatMap(rowsOf)])
  const open = found.filter(isOpen)
  say()
  say(
    open.length
      ? `${open.length} of ${found.length} not wholly protected: ${open.map(({ name }) => name).join(', ')}`
      : 'All of it is protected.',
  )
}

function rowsOf({ host, kind, name, description, sources, covered, parts }: Discovered): string[][] {
  const words = { all: 'by', part: 'in part by', none: 'not by' }
  const state = sources.length ? `${words[covered]} ${sources.join(', ')}` : 'no'
  return [
    [host, kind, name, description, state],
    ...parts.map(part => ['', '', `  ${part.name}`, part.description, stateOf(part, sources)]),
  ]
}

function stateOf({ sources, obstacle }: DiscoveredPart, about: readonly string[]): string {
  if (obstacle) return `cannot be: ${obstacle}`
  if (sources.length) return `by ${sources.join(', ')}`
  return about.length ? `left out by ${about.join(', ')}` : 'no'
}
