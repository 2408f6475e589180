import { type Command, Option } from 'commander'
import { levels, runDaemon } from '../daemon.ts'
import { configurationFile, type GlobalOptions, stateDirectoryOf } from '../session.ts'

interface Options extends GlobalOptions {
  now?: boolean
  once?: boolean
  log?: string
}

/** `holdfast up`: the instance itself. Backs up by schedule and on request until it is told to stop. */
export function upCommand(program: Command): void {
  program
    .command('up')
    .description(
      'run: back up by schedule and on request, until SIGTERM or Ctrl-C; SIGHUP or a changed file reads the configuration again',
    )
    .option('--now', 'back up everything at once, then go on')
    .option('--once', 'back up everything at once, then end: 0 all done, 1 something failed')
    .addOption(new Option('--log <level>', 'what is logged on stderr (default: info; with --once: warn)').choices(levels))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { now = false, once = false, log } = options
      // Stopped is stopped, whatever timer a library still has.
      process.exit(
        await runDaemon({
          file: configurationFile(options),
          stateDirectory: stateDirectoryOf(options),
          now,
          once,
          level: log,
        }),
      )
    })
}
