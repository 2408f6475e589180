import type { Command } from 'commander'
import { jsonSchema } from '../../infra/config.ts'
import { sayJson } from '../print.ts'

/** `holdfast schema`: what may stand in holdfast.yaml, for editors. */
export function schemaCommand(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of holdfast.yaml, from which editors complete it')
    .action(() => sayJson(jsonSchema()))
}
