/** Waits until a service says that it is well. */
import { setTimeout as wait } from 'node:timers/promises'
import type { HealthConfig } from '../config.ts'
import { formatDuration } from '../duration.ts'
import { CommandFailed, HoldfastError } from '../errors.ts'
import type { Argv, Host } from '../hosts/host.ts'
import type { Check } from '../manifest.ts'

const POLL_MS = 500
/** What one answer may take: even just before the end there is time for one. */
const ANSWER_MS = { least: 1_000, most: 5_000 }

/** Asks until it is well. Throws with the last answer where it is not within the time given. */
export async function waitForHealth(host: Host, health: HealthConfig, signal: AbortSignal): Promise<Check> {
  const question = await ask(host, health)
  const began = performance.now()
  const left = () => health.within - (performance.now() - began)
  for (;;) {
    const most = health.http ? ANSWER_MS.most : Number.POSITIVE_INFINITY
    const problem = await answer(host, question, Math.max(ANSWER_MS.least, Math.min(left(), most)), signal)
    if (problem === undefined) return { name: 'health', result: `${question.name}: well after ${seconds(began)} s` }
    if (left() <= POLL_MS) throw notWell(question.name, health, problem)
    await wait(POLL_MS, undefined, { signal })
  }
}

interface Question {
  name: string
  argv: Argv
  /** What stdout has to say for a yes. */
  expects?: RegExp
}

/** The host asks itself, since addresses are meant from there: by curl, or by the Node that runs here. */
async function ask(host: Host, { http, command }: HealthConfig): Promise<Question> {
  if (command) return { name: command.join(' '), argv: command }
  if (!http) throw new HoldfastError('health names neither http nor command', { retryable: false })
  const expects = /^2\d\d$/
  if (await runs(host, ['curl', '--version'])) {
    const quiet = ['--silent', '--show-error', '--output', '/dev/null', '--write-out', '%{http_code}', '--noproxy', '*'] as const
    return { name: http, argv: ['curl', ...quiet, '--', http], expects }
  }
  if (await runs(host, [process.execPath, '--version'])) {
    const script = "fetch(process.argv[1], { redirect: 'manual' }).then(({ status }) => console.log(status))"
    return { name: http, argv: [process.execPath, '-e', script, http], expects }
  }
  throw new HoldfastError(`${host.name} has nothing to ask ${http} with`, { retryable: false, hint: 'Install curl there.' })
}

async function runs(host: Host, argv: Argv): Promise<boolean> {
  return await host.run(argv).then(
    () => true,
    (error: unknown) => {
      if (error instanceof HoldfastError) return false
      throw error
    },
  )
}

/** Undefined for well; otherwise what is wrong. */
async function answer(
  host: Host,
  { argv, expects }: Question,
  timeout: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { stdout } = await host.run(argv, { timeout, signal })
    return expects && !expects.test(stdout.trim()) ? `HTTP ${stdout.trim()}` : undefined
  } catch (error) {
    if (signal.aborted || !(error instanceof CommandFailed)) throw error
    return error.outcome.stderr.trim().split('\n').at(-1) || error.message
  }
}

function notWell(name: string, { within }: HealthConfig, problem: string): HoldfastError {
  return new HoldfastError(`${name} was not well within ${formatDuration(within)}: ${problem}`, {
    retryable: false,
    hint: 'Look at what the service says about the restored data, or allow it more time with `within`.',
  })
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1)
}
