/** State that outlives a message, as functions see it. */
import type { Bucket } from './bucket.ts'
import type { Memory } from './function.ts'

export function openMemory(bucket: Bucket): Memory {
  return {
    async get(key) {
      const entry = await bucket.get(key)
      return entry?.deleted ? undefined : entry
    },
    create: async (key, value) => (await bucket.create(key, value)) !== undefined,
    put: bucket.put,
    remove: bucket.remove,
  }
}
