import { type Command, Option } from 'commander'
import { chainOf, contractOf } from '../../bus/contract.ts'
import { type Declared, saidBy, takenBy, takesTicks } from '../../bus/declared.ts'
import { desk, functions } from '../../functions/index.ts'
import { say, sayJson } from '../print.ts'
import { version } from '../version.ts'

interface Options {
  mermaid?: boolean
  json?: boolean
  contract?: boolean
}

/** `holdfast chain`: who takes what and says what, from the declarations of the functions. */
export function chainCommand(program: Command): void {
  program
    .command('chain')
    .description('show the chain of functions: who takes what, says what, and who hears it')
    .option('--mermaid', 'as a Mermaid flowchart')
    .addOption(new Option('--json', 'as JSON').conflicts(['mermaid', 'contract']))
    .addOption(new Option('--contract', 'the event contract, as AsyncAPI 3.0').conflicts('mermaid'))
    .action(({ mermaid, json, contract }: Options) => {
      const all: Declared[] = [...functions, desk]
      if (contract) return sayJson(contractOf(all, { version: version() }))
      if (json) return sayJson(all.map(declarationOf))
      say(chainOf(all)[mermaid ? 'mermaid' : 'text'].trimEnd())
    })
}

function declarationOf(fn: Declared) {
  const takes = takesTicks(fn) ? ['tick'] : takenBy(fn).map(({ type }) => type)
  return { name: fn.name, takes, says: saidBy(fn).map(({ type }) => type), answers: (fn.endpoints ?? []).map(({ name }) => name) }
}
