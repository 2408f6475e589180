/** The instance in the foreground: starts it, reads its configuration again when told to, and stops it well. */
import type { Logger } from 'pino'
import { type Visitor, visit } from '../bus/visitor.ts'
import { type Configuration, readConfiguration, watchConfiguration } from '../infra/config.ts'
import { createLogger, withoutCredentials } from '../infra/log.ts'
import { nextSlot } from '../infra/schedule.ts'
import { block, exitCodes } from './errors.ts'
import { type Instance, startInstance } from './instance.ts'
import { interruptible } from './interrupt.ts'
import { moment, note, say } from './print.ts'
import { givingBack } from './rest.ts'
import { backUpEverything } from './round.ts'
import { version } from './version.ts'

export const levels = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

export interface DaemonOptions {
  file: string
  stateDirectory: string
  /** Back up everything at once. */
  now: boolean
  /** And then end. */
  once: boolean
  level: string | undefined
}

/** Resolves to the exit code. */
export async function runDaemon({
  file,
  stateDirectory,
  now,
  once,
  level = once ? 'warn' : 'info',
}: DaemonOptions): Promise<number> {
  const configuration = await readConfiguration(file)
  const log = createLogger({ level })
  using stop = interruptible({
    first(abort) {
      note('Stopping: what is at work is let go of first. Once more ends at once.')
      abort()
    },
    again: () => process.exit(exitCodes.interrupted),
  })
  const instance = await startInstance({ configuration, stateDirectory, log, reread: () => readConfiguration(file) })
  try {
    const visitor = visit(instance.cell.connection, configuration.prefix)
    if (once) return await backUpEverything(visitor, configuration, stop.signal)
    say(greeting(configuration))
    using _reloading = reloading(instance, configuration, log)
    using _rest = givingBack()
    if (now) await round(visitor, instance, stop.signal)
    await new Promise(resolve => (stop.signal.aborted ? resolve(undefined) : stop.signal.addEventListener('abort', resolve)))
    return exitCodes.done
  } finally {
    await instance.stop()
  }
}

/** The first round of an instance that goes on: what fails is said, and the instance lives. */
async function round(visitor: Visitor, instance: Instance, signal: AbortSignal): Promise<void> {
  const { configuration } = instance.tools()
  try {
    const code = await backUpEverything(visitor, configuration, signal)
    if (!signal.aborted)
      say(`${code === exitCodes.done ? 'All done' : 'Not all is well'}. Going on${nextText(configuration)}. Ctrl-C ends.`)
  } catch (error) {
    note(block(error))
  }
}

function greeting({ sources, nats }: Configuration): string {
  const count = Object.keys(sources).length
  return `holdfast ${version()} runs: ${count} ${count === 1 ? 'source' : 'sources'}, ${nats ? `bus ${withoutCredentials(nats.url)}` : 'private bus (holdfast url)'}`
}

function nextText({ sources, plans }: Configuration): string {
  const now = new Date()
  const slots = Object.entries(sources).flatMap(([name, { plans: names, host }]) =>
    names.flatMap(plan => (plans[plan] ? (nextSlot(plans[plan], host, now) ?? []) : [])).map(at => ({ name, at })),
  )
  const [first] = slots.toSorted((a, b) => a.at.getTime() - b.at.getTime())
  return first ? `; next: ${first.name} at ${moment(first.at)}` : ' when asked'
}

/** SIGHUP and a changed file. What is invalid is refused aloud. */
function reloading(instance: Instance, { file }: Configuration, log: Logger): Disposable {
  const reload = () => void instance.reload()
  const onProblem = (error: unknown) => log.error({ err: error }, 'the new configuration is refused; the old one stays in force')
  const watch = watchConfiguration(file, { onChange: reload, onProblem })
  process.on('SIGHUP', reload)
  return {
    [Symbol.dispose]() {
      process.off('SIGHUP', reload)
      watch.close()
    },
  }
}
