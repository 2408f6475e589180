/** A service for tests: a real process that keeps a database open, writes to it, and answers over HTTP. */
import { chmod, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ServiceConfig } from '../../../infra/config.ts'

const server = `
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
const [path, port] = process.argv.slice(2)
const database = new DatabaseSync(path, { timeout: 5000 })
setInterval(() => database.exec('INSERT INTO transfer (of) VALUES (1)'), 5)
createServer((request, response) => {
  const [{ balance }] = database.prepare('SELECT balance FROM account WHERE id = 1').all()
  response.statusCode = request.url === '/health/' + balance ? 200 : 503
  response.end(String(balance))
}).listen(Number(port), '127.0.0.1')
`

/** Both may be run twice, as those of systemd may. */
const control = `
import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
const [verb, directory, ...args] = process.argv.slice(2)
const file = directory + '/pid'
const running = () => {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return readFileSync('/proc/' + pid + '/cmdline', 'utf8').includes('server.mjs') ? pid : undefined
  } catch {
    return undefined
  }
}
if (verb === 'start' && !running()) {
  const child = spawn(process.execPath, [directory + '/server.mjs', ...args], { detached: true, stdio: 'ignore' })
  writeFileSync(file, String(child.pid))
  child.unref()
}
if (verb === 'stop' && running()) {
  process.kill(running(), 'SIGTERM')
  while (running()) await new Promise(resolve => setTimeout(resolve, 10))
  rmSync(file)
}
`

export interface TestService {
  config: ServiceConfig
  /** An address that is well only where the first account has this balance. */
  healthyAt(balance: number): string
  /** What it answers now. */
  balance(): Promise<string>
}

/** Not started yet; stopped when the test ends. */
export async function testService(
  directory: string,
  database: string,
  run: (argv: readonly string[]) => Promise<unknown>,
): Promise<TestService> {
  await writeFile(join(directory, 'server.mjs'), server)
  await writeFile(join(directory, 'control.mjs'), control)
  await chmod(directory, 0o700)
  const port = await freePort()
  const verb = (name: string): [string, ...string[]] => [
    process.execPath,
    ...[join(directory, 'control.mjs'), name, directory, database, String(port)],
  ]
  const config = { start: verb('start'), stop: verb('stop') }
  onTestFinished(async () => void (await run(config.stop)))
  return {
    config,
    healthyAt: balance => `http://127.0.0.1:${port}/health/${balance}`,
    balance: async () => (await fetch(`http://127.0.0.1:${port}/`)).text(),
  }
}

async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const address = probe.address()
    probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
  })
  return promise
}
