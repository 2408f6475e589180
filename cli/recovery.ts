/** A restore in this process, for when no instance runs. Ctrl-C safe, and the same command goes on where it stopped. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { HoldfastError } from '../infra/errors.ts'
import { type Located, nameOf } from '../infra/find.ts'
import type { Host } from '../infra/hosts/host.ts'
import { localHost } from '../infra/hosts/local.ts'
import { type Recovered, recover, recoveryOf } from '../infra/recover.ts'
import { halfRestored, readJournal } from '../infra/restore/journal.ts'
import { interruptible } from './interrupt.ts'
import { openLive } from './live.ts'
import { note } from './print.ts'
import type { Session } from './session.ts'

export interface HereOptions {
  located: Located
  /** Undefined without a configuration, or where it does not know the source any more. */
  session: Session | undefined
  stateDirectory: string
  to: string | undefined
  part: string | undefined
  instant: boolean
  keepAside: boolean
}

/** Restores from the nearest good copy. */
export async function recoverHere({
  located,
  session,
  stateDirectory,
  to,
  part,
  instant,
  keepAside,
}: HereOptions): Promise<Recovered> {
  const { manifest } = located.copies[0].backup
  const target = session ? recoveryOf(session.tools, manifest.source) : withoutConfiguration(located, stateDirectory)
  const { host, state } = target
  const began = Date.now()
  const half = to === undefined ? await halfRestored(host, state, manifest.source) : undefined
  const what = [nameOf(located.copies[0].backup), to ?? '', ...(part === undefined ? [] : [part])].join(' ')
  const token = half?.backup === located.id ? half.token : await tokenOf(host, state, what)
  await using _ = await claim(`${state} ${token}`)
  const live = openLive()
  using stop = interruptible({ first: abort => void pauseOrAbort(host, state, token, abort) })
  try {
    const progress = (now: { bytes: number; total?: number }) =>
      live.show({ step: 'restore', source: manifest.source, ms: Date.now() - began, ...now })
    return await recover({
      ...target,
      located,
      to,
      part,
      instant,
      keepAside,
      token,
      signal: stop.signal,
      progress,
      warn: message => {
        live.clear()
        note(message)
      },
    })
  } finally {
    live.clear()
  }
}

/** What a backup says of its source itself is enough to bring it back. */
function withoutConfiguration({ copies: [{ backup }] }: Located, stateDirectory: string) {
  const source = { options: backup.manifest.details, service: undefined, health: undefined }
  return { host: localHost('local'), source, state: join(stateDirectory, 'restores') }
}

/** The same restore asked for again goes on with the one that was interrupted; after one that ended it is a new one. */
async function tokenOf(host: Host, state: string, what: string): Promise<string> {
  const name = createHash('sha256').update(what).digest('hex').slice(0, 8)
  for (let count = 1; ; count++) {
    const token = `cli-${name}-${count}`
    const phase = (await readJournal(host, state, token))?.phase
    if (phase !== 'done' && phase !== 'undone') return token
  }
}

/** Before the data is exchanged it simply stops, and so does what runs from its backup, which runs on; in the middle of that, waiting is better than half a restore. */
async function pauseOrAbort(host: Host, state: string, token: string, abort: () => void): Promise<void> {
  const phase = (await readJournal(host, state, token))?.phase
  if (phase === undefined || phase === 'staged' || phase === 'pulling') abort()
  else
    note(
      'The data is being put in place; that ends by itself. Ctrl-C again stops half-way: then run the same command to finish it.',
    )
}

/** An abstract socket is a lock that ends with its process. */
async function claim(name: string): Promise<AsyncDisposable> {
  const server = createServer()
  const path = `\0holdfast-${createHash('sha256').update(name).digest('hex')}`
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  }).catch((error: unknown) => {
    throw new HoldfastError('the same restore is running already', {
      cause: error,
      hint: 'Wait for it to end.',
      retryable: false,
    })
  })
  return {
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}
