/** State that outlives a message: a KV bucket, and the counting of waits in one. */
import { type KV, NatsError } from 'nats'
import type { Memory } from './function.ts'

const WRONG_LAST_SEQUENCE = 10071

/** Whether the server refused a write because somebody else wrote first. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE
}

/** A KV bucket as functions see it. */
export function openMemory(bucket: KV): Memory {
  return {
    async get(key) {
      const entry = await bucket.get(key)
      return entry?.operation === 'PUT' ? { value: entry.string(), revision: entry.revision } : undefined
    },
    create: (key, value) => unlessOvertaken(() => bucket.create(key, value)),
    async put(key, value) {
      await bucket.put(key, value)
    },
    remove: (key, revision) => unlessOvertaken(() => bucket.delete(key, { previousSeq: revision })),
  }
}

async function unlessOvertaken(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isOvertaken(error)) return false
    throw error
  }
}
