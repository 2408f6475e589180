/** The documents of a backup: read and checked, each against its schema. */
import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { HoldfastError, messageOf } from './errors.ts'
import type { Host } from './hosts/host.ts'
import { MANIFEST } from './layout.ts'

/** A document of any schema; undefined where there is none. Throws where it is not what it should be. */
export async function readDocument<T>(host: Host, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const bytes = await host.readIfThere(path)
  return bytes && parseDocument(path, bytes, schema)
}

/** The same of bytes that were read already. */
export function parseDocument<T>(path: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  const result = schema.safeParse(json(path, bytes))
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new BrokenDocument(path, `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'invalid'}`)
}

function json(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    throw new BrokenDocument(path, messageOf(error), error)
  }
}

/** A document that Holdfast did not write like this. */
export class BrokenDocument extends HoldfastError {
  override name = 'BrokenDocument'
  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path} is not what Holdfast writes: ${problem}`, {
      cause,
      retryable: false,
      hint: path.endsWith(`/${MANIFEST}`) ? restoreElsewhere : mend,
    })
  }
}

const restoreElsewhere =
  'Somebody or something changed it. Restore from another copy, and keep this directory until you know why.'
const mend =
  'Somebody or something changed it. It is not part of the backup itself: put it right, or move it away, and try again.'

/** In hexadecimal digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
