/** Runs the real command line in a directory of its own. */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execa } from 'execa'
import { makeDirectory } from '../services/directory.ts'

export const launcher = join(import.meta.dirname, '..', '..', 'cli', 'holdfast.js')

export interface Place {
  path: string
  /** What a person would type after `holdfast`, in this directory. */
  holdfast(args: readonly string[], options?: { cwd?: string; env?: Record<string, string> }): Promise<Ended>
  /** Starts it and resolves once a line of its stdout matches. */
  begin(args: readonly string[], ready: RegExp): Promise<Running>
  /** The answer of a command with --json. */
  json(args: readonly string[]): Promise<unknown>
  remove(): Promise<void>
}

export interface Ended {
  exitCode: number | undefined
  stdout: string
  stderr: string
}

export interface Running {
  /** What it said on stdout so far. */
  said(): string
  kill(signal: NodeJS.Signals): void
  ended: Promise<Ended>
}

export async function makePlace(): Promise<Place> {
  const { path, remove } = await makeDirectory()
  const env = { PATH: process.env.PATH ?? '', HOME: path, XDG_STATE_HOME: join(path, 'state') }
  const start = (args: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}, timeout = 60_000) =>
    execa(process.execPath, [launcher, ...args], {
      cwd: options.cwd ?? path,
      env: { ...env, ...options.env },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout,
    })
  return {
    path,
    remove,
    async holdfast(args, options) {
      const { exitCode, stdout, stderr } = await start(args, options)
      return { exitCode, stdout, stderr }
    },
    async json(args) {
      return JSON.parse((await start([...args, '--json'])).stdout)
    },
    async begin(args, ready) {
      // A worker lives as long as the tests of its file, which on a busy machine is long.
      const child = start(args, {}, 300_000)
      let said = ''
      child.stdout.on('data', chunk => {
        said += String(chunk)
      })
      while (!ready.test(said)) {
        const over = await Promise.race([once(child.stdout, 'data'), child.then(({ stderr }) => `ended: ${stderr}`)])
        if (typeof over === 'string') throw new Error(over)
      }
      const ended = child.then(({ exitCode, stdout, stderr }) => ({ exitCode, stdout, stderr }))
      return { said: () => said, kill: signal => child.kill(signal), ended }
    },
  }
}

/** A plan without a schedule: nothing runs unless it is asked for. */
export const configuration = `
plans: { nightly: { zone: UTC, keep: { last: 5 }, vaults: [shelf] } }
sources:
  letters: { kind: files, plan: nightly, paths: [./letters] }
  notes: { kind: sqlite, plan: nightly, path: ./notes.sqlite }
vaults: { shelf: { kind: rsync, path: ./shelf } }
`

/** Two sources with something in them, and the configuration that protects them. */
export async function furnish({ path }: Place): Promise<void> {
  await mkdir(join(path, 'letters'))
  await writeFile(join(path, 'letters', 'one.txt'), 'Dear Ada')
  await writeFile(join(path, 'holdfast.yaml'), configuration)
  const database = new DatabaseSync(join(path, 'notes.sqlite'))
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('one'), ('two')")
  database.close()
}
