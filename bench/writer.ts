/** A program that writes to a database all the time. */
import { once } from 'node:events'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'

export interface Writer {
  /** Resolves to how long each write took, ms. */
  stop(): Promise<number[]>
}

/** Resolves once it writes. */
export async function startWriter(database: string): Promise<Writer> {
  const child = execa(process.execPath, [join(import.meta.dirname, 'sqlite-writer.ts'), database])
  await once(child.stdout, 'data')
  return {
    async stop() {
      child.stdin.end()
      const { stdout } = await child
      return z.array(z.number()).parse(JSON.parse(stdout.split('\n').at(-1) ?? ''))
    },
  }
}
