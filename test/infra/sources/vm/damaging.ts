/** Damages stored backups, and says what is found of it. */
import { open, stat } from 'node:fs/promises'
import { expect } from 'vitest'
import { VerificationFailed } from '../../../../infra/errors.ts'
import { locate, type Place } from '../../../../infra/find.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { recover } from '../../../../infra/recover.ts'
import { verify } from '../../../../infra/sources/vm/verify.ts'
import type { Stored } from './stored.ts'

const host = localHost()
const signal = new AbortController().signal

/** What the kind itself finds. */
export function check({ directory, manifest }: Stored) {
  const silent = { progress: () => undefined, warn: () => undefined }
  return verify({ host, source: 'zeus', id: manifest.id, options: {}, signal, directory, manifest, ...silent })
}

/** Takes the disk out of the newest backup that the places have, as `restore --part vda --to PATH` does. */
export async function takeOut({ manifest }: Stored, places: readonly Place[], to: string) {
  return await recover({
    located: await locate(places, manifest.id),
    ...{ host, source: undefined, state: `${to}.state`, to, part: 'vda', token: 'one', keepAside: false, signal },
    ...{ progress: () => undefined, warn: () => undefined },
  })
}

/** Changes one bit near the end of a file. */
export async function flip(path: string): Promise<void> {
  const file = await open(path, 'r+')
  const at = (await stat(path)).size - 4096
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at)
  await file.close()
}

/** The message of a failed verification. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(VerificationFailed)
  return error instanceof Error ? error.message : ''
}

/** The first table of a qcow2 lies in its fourth cluster at the latest. */
export async function breakTables(path: string): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(65_536, 0xff), 0, 65_536, 65_536)
  await file.close()
}
