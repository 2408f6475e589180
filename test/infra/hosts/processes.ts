import { expect, vi } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'

/** The error a promise rejects with, which must be of the kind expected. */
export async function rejection<Kind extends Error>(
  kind: new (...given: never[]) => Kind,
  promise: Promise<unknown>,
): Promise<Kind> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  )
  if (error instanceof kind) return error
  throw error
}

/** Waits for a process to write its id into a file on the host. */
export async function processId(host: Host, file: string): Promise<number> {
  const bytes = await vi.waitUntil(() => host.readIfThere(file), { timeout: 10_000 })
  return Number.parseInt(Buffer.from(bytes).toString(), 10)
}

/** Waits until a process of the host is no more. One that has ended and waits for its parent to notice counts as gone. */
export async function gone(host: Host, processId: number): Promise<void> {
  expect(processId).toBeGreaterThan(1)
  const state = () => host.run(['cat', `/proc/${processId}/stat`], { okCodes: [0, 1] })
  await vi.waitUntil(async () => /^$|\) [ZX] /.test((await state()).stdout), { timeout: 10_000 })
}
