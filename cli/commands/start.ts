import { type Command, Option } from 'commander'
import { readConfiguration } from '../../infra/config.ts'
import { installTools, missingTools, type Program } from '../../infra/install.ts'
import { levels, runDaemon } from '../daemon.ts'
import { note } from '../print.ts'
import { configurationFile, type GlobalOptions, stateDirectoryOf } from '../session.ts'
import { prepareTour, startTourWriter } from '../tour.ts'

interface Options extends GlobalOptions {
  once?: boolean
  log?: string
}

const programs: readonly Program[] = [
  'rsync',
  'sqlite3',
  'zstd',
  'tar',
  'setpriv',
  'flock',
  'setfacl',
  'getfacl',
  'setfattr',
  'getfattr',
  'xz',
  'sha256sum',
  'find',
]

/** `holdfast start`, which is `npm start`: sees that everything is there, backs up at once, and goes on. */
export function startCommand(program: Command): void {
  program
    .command('start')
    .description('install what is missing, prepare the tour where the configuration protects it, back up at once, and go on')
    .option('--once', 'end after that round: 0 all done, 1 something failed')
    .addOption(new Option('--log <level>', 'what is logged on stderr (default: warn)').choices(levels))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const file = configurationFile(options)
      const configuration = await readConfiguration(file)
      await installTools(missingTools([...(configuration.nats ? [] : ['nats-server' as const]), ...programs]), { say: note })
      await prepareTour(configuration)
      const writer = startTourWriter(configuration)
      const { once = false, log = once ? 'error' : 'warn' } = options
      const code = await runDaemon({ file, stateDirectory: stateDirectoryOf(options), now: true, once, level: log })
      writer?.stop()
      process.exit(code)
    })
}
