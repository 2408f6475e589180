/** Every command, in the order in which a person meets them. */
import { Command } from 'commander'
import { chainCommand } from './commands/chain.ts'
import { checkCommand } from './commands/check.ts'
import { completionCommand } from './commands/completion.ts'
import { discoverCommand } from './commands/discover.ts'
import { drillCommand } from './commands/drill.ts'
import { eventsCommand } from './commands/events.ts'
import { holdCommand } from './commands/hold.ts'
import { initCommand } from './commands/init.ts'
import { listCommand } from './commands/list.ts'
import { pruneCommand } from './commands/prune.ts'
import { restoreCommand } from './commands/restore.ts'
import { runCommand } from './commands/run.ts'
import { schemaCommand } from './commands/schema.ts'
import { showCommand } from './commands/show.ts'
import { startCommand } from './commands/start.ts'
import { statusCommand } from './commands/status.ts'
import { unholdCommand } from './commands/unhold.ts'
import { upCommand } from './commands/up.ts'
import { urlCommand } from './commands/url.ts'
import { verifyCommand } from './commands/verify.ts'
import { version } from './version.ts'

const commands = [
  initCommand,
  checkCommand,
  discoverCommand,
  startCommand,
  upCommand,
  runCommand,
  statusCommand,
  listCommand,
  showCommand,
  verifyCommand,
  drillCommand,
  pruneCommand,
  restoreCommand,
  holdCommand,
  unholdCommand,
  eventsCommand,
  chainCommand,
  schemaCommand,
  urlCommand,
  completionCommand,
]

const epilogue = `
Exit codes: 0 done, 1 failed, 2 bad configuration or usage, 3 nothing running where something has to, 130 interrupted.
HOLDFAST_DEBUG=1 shows where an error comes from.`

/** A program that throws instead of ending the process. */
export function program(): Command {
  const holdfast = new Command('holdfast')
    .description('Backups that are proven by restoring them.')
    .version(version())
    .option('--config <file>', 'the configuration (default: ./holdfast.yaml, then /etc/holdfast/holdfast.yaml)')
    .option('--state <directory>', "where the private bus keeps its state (default: the user's own state directory)")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'holdfast: ')) })
    .addHelpText('after', epilogue)
    .showHelpAfterError('Help: holdfast --help')
    .exitOverride()
  for (const register of commands) register(holdfast)
  return holdfast
}
