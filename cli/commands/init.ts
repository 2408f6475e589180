import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { codeOf, InvalidInput } from '../../infra/errors.ts'
import { say } from '../print.ts'
import type { GlobalOptions } from '../session.ts'
import { template } from '../template.ts'

/** `holdfast init`: a commented configuration to begin with. */
export function initCommand(program: Command): void {
  program
    .command('init')
    .description('write a commented holdfast.yaml to begin with')
    .action(async (_options: unknown, command: Command) => {
      const { config = 'holdfast.yaml' } = command.optsWithGlobals<GlobalOptions>()
      try {
        await writeFile(config, template, { flag: 'wx', mode: 0o600 })
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
        throw new InvalidInput(`${config} is there already`, {
          cause: error,
          hint: 'It is left as it is. Name another one with --config FILE.',
        })
      }
      say(`Wrote ${config}. Say in it what to protect, then: holdfast check`)
    })
}
