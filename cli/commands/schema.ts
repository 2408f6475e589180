import type { Command } from 'commander'
import { configurationReference, jsonSchema } from '../../infra/config.ts'
import { say, sayJson } from '../print.ts'

/** `holdfast schema`: what may stand in holdfast.yaml, for editors and for people. */
export function schemaCommand(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of holdfast.yaml, from which editors complete it')
    .option('--markdown', 'the same as a page for people: docs/configuration.md')
    .action(({ markdown }: { markdown?: boolean }) => {
      if (markdown) say(configurationReference().trimEnd())
      else sayJson(jsonSchema())
    })
}
