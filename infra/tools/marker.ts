/** The file that tells a vault's root from an empty mount point, so that copies never go to the wrong disk. */
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { HoldfastError, messageOf } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { makeBelow } from './disk.ts'

export const MARKER = '.holdfast-vault.json'

/** Public: docs/vault-format.md. It names no cell: several may share a vault. */
export const Marker = z.object({ format: z.literal('holdfast-vault'), version: z.literal(1) })
const text = `${JSON.stringify({ format: 'holdfast-vault', version: 1 })}\n`

/** Throws unless the root is there and, where it bears a marker, is of a format we read. True where it does. */
export async function openVault(host: Host, root: string): Promise<boolean> {
  const bytes = await host.readIfThere(join(root, MARKER))
  if (bytes) {
    readMarker(root, bytes)
    return true
  }
  if (!(await host.stat(root))) throw notThere(root)
  return false
}

/**
 * Makes a root ready for copies. One without a marker becomes a vault only where it is new or empty and no backup remembers a copy
 * in it: otherwise something is not mounted, and the copies would go to the wrong disk.
 */
export async function prepareVault(host: Host, root: string, remembered: () => Promise<string | undefined>): Promise<void> {
  const there = await host.stat(root)
  if (there && (await openVault(host, root))) return
  if (!there && !(await host.stat(dirname(root)))) throw notThere(dirname(root))
  const copy = await remembered()
  if (copy) throw noVault(root, `there was a copy at ${copy}`)
  const strangers = (await host.list(root)).filter(({ name }) => !name.startsWith('.') && name !== 'lost+found')
  if (strangers.length) throw noVault(root, `it holds ${strangers[0]?.name}`)
  if (!there) await makeBelow(host, dirname(root), [basename(root)])
  await host.write(join(root, MARKER), text)
}

function readMarker(root: string, bytes: Uint8Array): void {
  try {
    Marker.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (error) {
    throw new HoldfastError(`${join(root, MARKER)} is not one this version of Holdfast knows: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: `Use the Holdfast that made the vault. The marker of this one is: ${text.trim()}`,
    })
  }
}

function notThere(root: string): HoldfastError {
  return new HoldfastError(`${root} is not there`, {
    hint: 'Mount or plug in what belongs there. A new vault is made by its first backup, in a directory that exists.',
  })
}

function noVault(root: string, sign: string): HoldfastError {
  return new HoldfastError(`${root} is no vault: it has no ${MARKER}, and ${sign}`, {
    hint: `Mount or plug in what belongs there. If it is the right place, make it a vault: echo '${text.trim()}' > ${join(root, MARKER)}`,
  })
}
