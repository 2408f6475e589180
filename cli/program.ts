/** Every command, in the order in which a person meets them. */
import { Command } from 'commander'
import { version } from './version.ts'

type Register = (program: Command) => void

/** Loaded only when it is asked for: a worker carries nothing but itself, and nobody waits for what another command needs. */
const commands = new Map<string, () => Promise<Register>>([
  ['init', async () => (await import('./commands/init.ts')).initCommand],
  ['check', async () => (await import('./commands/check.ts')).checkCommand],
  ['discover', async () => (await import('./commands/discover.ts')).discoverCommand],
  ['start', async () => (await import('./commands/start.ts')).startCommand],
  ['up', async () => (await import('./commands/up.ts')).upCommand],
  ['run', async () => (await import('./commands/run.ts')).runCommand],
  ['status', async () => (await import('./commands/status.ts')).statusCommand],
  ['list', async () => (await import('./commands/list.ts')).listCommand],
  ['show', async () => (await import('./commands/show.ts')).showCommand],
  ['verify', async () => (await import('./commands/verify.ts')).verifyCommand],
  ['drill', async () => (await import('./commands/drill.ts')).drillCommand],
  ['prune', async () => (await import('./commands/prune.ts')).pruneCommand],
  ['restore', async () => (await import('./commands/restore.ts')).restoreCommand],
  ['hold', async () => (await import('./commands/hold.ts')).holdCommand],
  ['unhold', async () => (await import('./commands/unhold.ts')).unholdCommand],
  ['events', async () => (await import('./commands/events.ts')).eventsCommand],
  ['chain', async () => (await import('./commands/chain.ts')).chainCommand],
  ['schema', async () => (await import('./commands/schema.ts')).schemaCommand],
  ['url', async () => (await import('./commands/url.ts')).urlCommand],
])

/** Made of all the others. */
const completion = async () => (await import('./commands/completion.ts')).completionCommand

const epilogue = `
Exit codes: 0 done, 1 failed, 2 bad configuration or usage, 3 nothing running where something has to, 130 interrupted.
HOLDFAST_DEBUG=1 shows where an error comes from.`

/** A program with the command that the words ask for, or with all of them. It throws where it cannot go on. */
export async function program(words: readonly string[]): Promise<Command> {
  const holdfast = new Command('holdfast')
    .description('Backups that are proven by restoring them.')
    .version(version())
    .option('--config <file>', 'the configuration (default: ./holdfast.yaml, then /etc/holdfast/holdfast.yaml)')
    .option('--state <directory>', "where the private bus keeps its state (default: the user's own state directory)")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'holdfast: ')) })
    .addHelpText('after', epilogue)
    .showHelpAfterError('Help: holdfast --help')
    .exitOverride(error => {
      if (error.exitCode !== 0) throw error
    })
  for (const register of await commandsFor(holdfast.parseOptions([...words]).operands[0])) register(holdfast)
  return holdfast
}

/** Whoever asks for help, for completion or for what there is not is shown all there is. */
function commandsFor(word: string | undefined): Promise<Register[]> {
  const asked = word === undefined ? undefined : commands.get(word)
  return Promise.all((asked ? [asked] : [...commands.values(), completion]).map(load => load()))
}
