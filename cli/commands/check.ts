import type { Command } from 'commander'
import { ConfigurationInvalid } from '../../infra/config.ts'
import { exitCodes } from '../errors.ts'
import { type Finding, inspect } from '../inspection.ts'
import { mood, note, say, sayJson, sayTable } from '../print.ts'
import { configurationFile, type GlobalOptions, openSession } from '../session.ts'

interface Options extends GlobalOptions {
  json?: boolean
}

/** `holdfast check`: the configuration, and whether what it names is there. */
export function checkCommand(program: Command): void {
  program
    .command('check')
    .description('look for mistakes in the configuration, and whether what it names is there and can be read')
    .option('--json', 'as JSON')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const file = configurationFile(options)
      try {
        await using session = await openSession(options)
        const findings = await inspect(session)
        if (options.json) sayJson({ file, ok: findings.every(({ ok }) => ok), problems: [], findings })
        else print(file, findings)
        if (!findings.every(({ ok }) => ok)) process.exitCode = exitCodes.failed
      } catch (error) {
        if (!(error instanceof ConfigurationInvalid)) throw error
        if (options.json) sayJson({ file, ok: false, problems: error.problems, findings: [] })
        throw error
      }
    })
}

function print(file: string, findings: readonly Finding[]): void {
  say(`${file}: no mistakes`)
  sayTable(findings.filter(({ ok }) => ok).map(({ what, found }) => [what, mood('ok', 'good'), found]))
  for (const { what, found, hint } of findings.filter(({ ok }) => !ok))
    note(`holdfast: ${what}: ${found}${hint ? `\n  ${hint}` : ''}`)
}
