/** What the embedded bus keeps in the state directory: its token, its configuration, its lock, and where it can be reached. */
import { randomBytes } from 'node:crypto'
import { access, chmod, constants, link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { z } from 'zod'

/** The embedded bus could not be started; trying again cannot help. */
export class BusNotStarted extends Error {
  override name = 'BusNotStarted'
  readonly retryable = false
  readonly hint: string
  constructor(message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.hint = hint
  }
}

/** `bus.json`: how clients on this machine find the bus. */
const BusRecord = z.object({ url: z.string(), token: z.string(), pid: z.number().int(), started: z.iso.datetime() })
export type BusRecord = z.infer<typeof BusRecord>

export interface Home {
  stateDirectory: string
  /** The server's own corner of it. */
  directory: string
  configFile: string
  lockFile: string
  token: string
  /** The path of nats-server. */
  program: string
}

/** Makes the directories and the token, or finds them. May be called by several processes at once. */
export async function prepareHome(stateDirectory: string): Promise<Home> {
  const directory = join(resolve(stateDirectory), 'nats')
  const program = await findProgram('nats-server')
  try {
    await mkdir(join(directory, 'store'), { recursive: true, mode: 0o700 })
    await chmod(resolve(stateDirectory), 0o700)
    const token = await keepToken(join(directory, 'token'))
    await Promise.all([removeStale(directory), removeStale(resolve(stateDirectory))])
    return {
      stateDirectory,
      directory,
      configFile: join(directory, 'nats.conf'),
      lockFile: join(directory, 'lock'),
      token,
      program,
    }
  } catch (error) {
    if (error instanceof BusNotStarted) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new BusNotStarted(`bus: cannot use ${stateDirectory}: ${reason}`, 'Name a directory of your own with --state.', error)
  }
}

/** Undefined where no bus was ever started, or the file is damaged: the next owner writes it anew. */
export async function readRecord(stateDirectory: string): Promise<BusRecord | undefined> {
  const text = await readIfThere(join(stateDirectory, 'bus.json'))
  try {
    return BusRecord.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

export async function writeRecord({ stateDirectory }: Home, record: BusRecord): Promise<void> {
  await writePrivate(join(stateDirectory, 'bus.json'), `${JSON.stringify(record)}\n`)
}

/** The configuration is read when the lock is ours, so it must be right for whoever comes next: same token, same port. */
export async function writeConfig({ directory, configFile, token }: Home, port: number): Promise<void> {
  const lines = [
    'host: "127.0.0.1"',
    `port: ${port}`,
    'max_payload: 1MB',
    `ports_file_dir: ${JSON.stringify(directory)}`,
    `log_file: ${JSON.stringify(join(directory, 'nats.log'))}`,
    'logfile_size_limit: 4MB',
    `authorization { token: ${JSON.stringify(token)} }`,
    `jetstream { store_dir: ${JSON.stringify(join(directory, 'store'))} }`,
  ]
  await writePrivate(configFile, `${lines.join('\n')}\n`)
}

/** Where the server of this process id listens; undefined until it does. */
export async function readPorts({ directory }: Home, pid: number): Promise<string | undefined> {
  const text = await readIfThere(join(directory, `nats-server_${pid}.ports`))
  return /"(nats:\/\/[^"]+)"/.exec(text)?.[1]
}

/** The last error in the server's log: why it did not start. */
export async function lastComplaint({ directory }: Home): Promise<string | undefined> {
  const log = await readIfThere(join(directory, 'nats.log'))
  return /.*\[(?:FTL|ERR)\] (.*)/s.exec(log.slice(-16_384))?.[1]?.split('\n')[0]
}

/** The server leaves its ports file behind when it is killed hard, and we our drafts. */
async function removeStale(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = /^nats-server_(\d+)\.ports$|^[a-z.]+\.(\d+)\.[0-9a-f]{8}$/.exec(name)
    if (pid && !isAlive(Number(pid[1] ?? pid[2]))) await rm(join(directory, name), { force: true })
  }
}

/** One random token for the life of the store: whoever is first makes it, the others read it. */
async function keepToken(file: string): Promise<string> {
  const found = await readIfThere(file)
  if (found) return found
  const draft = draftOf(file)
  await writeSynced(draft, randomBytes(32).toString('hex'))
  try {
    await link(draft, file)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    await rm(draft)
  }
  return await readFile(file, 'utf8')
}

/** Debian keeps servers in /usr/sbin, which is not on everybody's PATH. */
const SYSTEM = ['/usr/local/bin', '/usr/local/sbin', '/usr/sbin', '/sbin']

/** The path of a program; throws with what to install where there is none. */
export async function findProgram(name: string, elsewhere: readonly string[] = SYSTEM): Promise<string> {
  const places = [...(process.env.PATH ?? '').split(delimiter), ...elsewhere]
  for (const place of places) {
    const path = join(place, name)
    if (place !== '' && (await isExecutable(path))) return path
  }
  const [parcel, otherwise] =
    name === 'nats-server'
      ? [name, 'or name a server of yours as nats.url in the configuration']
      : ['util-linux', 'which it is part of']
  throw new BusNotStarted(`bus: ${name} is not installed`, `Install it (Debian: apt install ${parcel}), ${otherwise}.`)
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return ''
    throw error
  }
}

async function writePrivate(file: string, text: string): Promise<void> {
  const draft = draftOf(file)
  await writeSynced(draft, text)
  await rename(draft, file)
}

/** Several processes, or several parts of one, may write the same file at once: the last whole one stays. */
function draftOf(file: string): string {
  return `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
