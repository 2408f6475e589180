/** Waits until a service says that it is well. */
import { setTimeout as wait } from 'node:timers/promises'
import { shownAddress } from '../addresses.ts'
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
  /** The address, on stdin: argv is everybody's to read, and an address may hold a secret. */
  input?: string
  /** What stdout has to say for a yes. */
  expects?: RegExp
}

/** The host asks itself, since addresses are meant from there: by curl, or by the Node that runs here. */
async function ask(host: Host, { http, command }: HealthConfig): Promise<Question> {
  if (command) return { name: command.join(' '), argv: command }
  if (!http) throw new HoldfastError('health names neither http nor command', { retryable: false })
  const name = shownAddress(http)
  const expects = /^2\d\d$/
  if (await runs(host, ['curl', '--version'])) {
    const quiet = ['--silent', '--show-error', '--output', '/dev/null', '--write-out', '%{http_code}', '--noproxy', '*'] as const
    return { name, argv: ['curl', ...quiet, '--config', '-'], input: `url = ${quoted(http)}\n`, expects }
  }
  if (await runs(host, [process.execPath, '--version'])) {
    return { name, argv: [process.execPath, '-e', fetching], input: http, expects }
  }
  throw new HoldfastError(`${host.name} has nothing to ask ${name} with`, { retryable: false, hint: 'Install curl there.' })
}

/** As curl reads values in its configuration. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

/** `fetch` takes no name and secret in an address. */
const fetching = `
  const address = new URL(require('node:fs').readFileSync(0, 'utf8'))
  const secret = [address.username, address.password].map(decodeURIComponent).join(':')
  address.username = address.password = ''
  const headers = secret === ':' ? {} : { authorization: 'Basic ' + Buffer.from(secret).toString('base64') }
  fetch(address, { redirect: 'manual', headers }).then(({ status }) => console.log(status))
`

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
  { argv, input, expects }: Question,
  timeout: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { stdout } = await host.run(argv, { timeout, signal, ...(input === undefined ? {} : { input }) })
    return expects && !expects.test(stdout.trim()) ? `HTTP ${stdout.trim()}` : undefined
  } catch (error) {
    if (signal.aborted || !(error instanceof CommandFailed)) throw error
    return shownAddress(error.outcome.stderr.trim().split('\n').at(-1) || error.message)
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
