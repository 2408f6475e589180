import { readFileSync } from 'node:fs'
import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'
import { parse, YAMLParseError } from 'yaml'
import { z } from 'zod'
import { codeOf } from '../../infra/errors.ts'
import { configurationFile } from '../session.ts'

/** Commands whose argument names a source. */
const taking = ['run', 'list', 'prune', 'verify']

/** `holdfast completion bash|zsh|fish`: from the tree of commands itself, so this one is registered last. */
export function completionCommand(program: Command): void {
  const completion = tab(program, { completionCommandName: 'completion' })
  for (const name of taking) {
    for (const argument of completion.commands.get(name)?.arguments.values() ?? []) {
      argument.handler = complete => {
        for (const [source, kind] of sourceNames()) complete(source, kind)
      }
    }
  }
}

const Sources = z.object({ sources: z.record(z.string(), z.object({ kind: z.string().default('') })) })

/** Read without any check: whoever presses TAB wants no errors. */
function sourceNames(): [string, string][] {
  try {
    const { data } = Sources.safeParse(parse(readFileSync(configurationFile({}), 'utf8')))
    return Object.entries(data?.sources ?? {}).map(([name, { kind }]) => [name, kind])
  } catch (error) {
    if (codeOf(error) === undefined && !(error instanceof YAMLParseError)) throw error
    return []
  }
}
