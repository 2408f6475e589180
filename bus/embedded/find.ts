/** Finding the bus that runs on this machine. */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { type BusAddress, BusUnreachable, connectBus } from '../connect.ts'
import { readRecord } from './home.ts'

/** Milliseconds a server on the same machine may take to answer. */
const ANSWER = 1000

/** Where the bus of this user keeps its state: `$XDG_STATE_HOME/holdfast`, by default `~/.local/state/holdfast`. */
export function defaultStateDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const state = env.XDG_STATE_HOME
  // The standard says that a relative path is to be ignored.
  if (state && isAbsolute(state)) return join(state, 'holdfast')
  return join(env.HOME || homedir(), '.local', 'state', 'holdfast')
}

/** The bus that runs with this state directory; undefined where none answers. */
export async function findBus(stateDirectory: string): Promise<{ url: string; token: string } | undefined> {
  const record = await readRecord(stateDirectory)
  if (!record || (await serverName(record)) === undefined) return undefined
  return { url: record.url, token: record.token }
}

/** The name of the server that answers there and takes our token; undefined where there is none. */
export async function serverName(address: BusAddress): Promise<string | undefined> {
  try {
    const connection = await connectBus({
      url: address.url,
      token: address.token,
      name: 'holdfast: is there a bus?',
      timeout: ANSWER,
    })
    const name = connection.info?.server_name
    await connection.close()
    return name
  } catch (error) {
    if (error instanceof BusUnreachable) return undefined
    throw error
  }
}
