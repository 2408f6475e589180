import { type Command, Option } from 'commander'
import { chainOf, contractOf } from '../../bus/contract.ts'
import { type Declared, saidBy, takenBy, takesTicks } from '../../bus/declared.ts'
import { natsUsers } from '../../bus/users.ts'
import { desk, functions } from '../../functions/index.ts'
import { readConfiguration } from '../../infra/config.ts'
import { say, sayJson } from '../print.ts'
import { configurationFile, type GlobalOptions } from '../session.ts'
import { version } from '../version.ts'

interface Options extends GlobalOptions {
  mermaid?: boolean
  json?: boolean
  contract?: boolean
  users?: boolean
}

const all: Declared[] = [...functions, desk]

/** `holdfast chain`: who takes what and says what, from the declarations of the functions. */
export function chainCommand(program: Command): void {
  program
    .command('chain')
    .description('show the chain of functions: who takes what, says what, and who hears it')
    .option('--mermaid', 'as a Mermaid flowchart')
    .addOption(new Option('--json', 'as JSON').conflicts(['mermaid', 'contract']))
    .addOption(new Option('--contract', 'the event contract, as AsyncAPI 3.0').conflicts('mermaid'))
    .addOption(
      new Option('--users', 'the users of a nats-server of your own, with what each may do').conflicts([
        'mermaid',
        'json',
        'contract',
      ]),
    )
    .action(async (_options: unknown, command: Command) => {
      const { mermaid, json, contract, users, ...options } = command.optsWithGlobals<Options>()
      if (users) return say((await usersOf(options)).trimEnd())
      if (contract) return sayJson(contractOf(all, { version: version() }))
      if (json) return sayJson(all.map(declarationOf))
      say(chainOf(all)[mermaid ? 'mermaid' : 'text'].trimEnd())
    })
}

/** Passwords are the server's own variables, so that nothing printed here is a secret. */
async function usersOf(options: GlobalOptions): Promise<string> {
  const { prefix, hosts, plans } = await readConfiguration(configurationFile(options))
  const triggers = Object.values(plans).flatMap(({ on }) => on)
  const names = ['instance', 'starter', 'listener']
  const proofs = Object.fromEntries(names.map(name => [name, { variable: `HOLDFAST_${name.toUpperCase()}` }]))
  return natsUsers(all, { prefix, hosts: Object.keys(hosts), triggers: [...new Set(triggers)], proofs })
}

function declarationOf(fn: Declared) {
  const takes = takesTicks(fn) ? ['tick'] : takenBy(fn).map(({ type }) => type)
  return { name: fn.name, takes, says: saidBy(fn).map(({ type }) => type), answers: (fn.endpoints ?? []).map(({ name }) => name) }
}
