/** Mishaps for tests: damage, and aborts at a chosen moment. */
import { open } from 'node:fs/promises'
import { expect } from 'vitest'
import { VerificationFailed } from '../../../infra/errors.ts'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { rejection } from '../hosts/processes.ts'

/** A host that calls out while the nth command runs. */
export function afterCommands(count: number, call: () => void): Host {
  const host = localHost()
  let left = count
  const counted = <Result>(started: Promise<Result>) => {
    left -= 1
    if (left === 0) call()
    return started
  }
  return {
    ...host,
    run: (argv, options) => counted(host.run(argv, options)),
    pipe: (stages, options) => counted(host.pipe(stages, options)),
  }
}

/** Flips one bit in the middle of a file. */
export async function flipBit(path: string): Promise<void> {
  const file = await open(path, 'r+')
  const at = Math.floor((await file.stat()).size / 2)
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, at)
  await file.close()
}

/** Expects that a deed finds damage, which no other try can mend. */
export async function expectDamage(deed: Promise<unknown>): Promise<void> {
  expect(await rejection(VerificationFailed, deed)).toMatchObject({ retryable: false })
}
