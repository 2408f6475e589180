/** Whose copies a label's directory holds: two installations that use one label would remove each other's. */
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { HoldfastError, InvalidInput, messageOf } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { Manifest } from '../manifest.ts'

export const OWNER = '.holdfast-host.json'

/** Public: docs/vault-format.md. */
const Owner = z.object({ format: z.literal('holdfast-host'), version: z.literal(1), id: z.uuid() })

/** The id of the installation that keeps its backups below a root; made once, and the same for ever. */
export async function installationOf(host: Host, root: string): Promise<string> {
  await host.makeDirectory(root)
  return (await readOwner(host, root)) ?? (await claim(host, root, randomUUID()))
}

/** Throws unless a label's directory is the installation's own; one that names nobody becomes it. One that is not there is fine. */
export async function requireOwner(host: Host, directory: string, installation: string): Promise<void> {
  if (!(await host.stat(directory))) return
  const owner = (await readOwner(host, directory)) ?? (await claim(host, directory, installation))
  if (owner === installation) return
  throw new HoldfastError(`${directory} belongs to another installation: two use one label`, {
    retryable: false,
    hint: `Give this host a label of its own in the configuration. If the other one is no more, or is this one with a new root, remove ${join(directory, OWNER)}: the next copy takes the directory over.`,
  })
}

async function readOwner(host: Host, directory: string): Promise<string | undefined> {
  const path = join(directory, OWNER)
  const bytes = await host.readIfThere(path)
  if (!bytes) return undefined
  try {
    return Owner.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))).id
  } catch (error) {
    throw new HoldfastError(`${path} is not one this version of Holdfast knows: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: 'Use the Holdfast that wrote it. If it was damaged, remove it: the next copy writes a new one.',
    })
  }
}

/** The first of several claims stands. Returns whose that is. */
async function claim(host: Host, directory: string, id: string): Promise<string> {
  const [outer, name] = [await host.resolve(directory), `${OWNER}.${randomBytes(4).toString('hex')}`]
  const draft = join(outer, name)
  await host.write(draft, `${JSON.stringify({ format: 'holdfast-host', version: 1, id })}\n`)
  // Some versions call it a failure that somebody was quicker.
  await host.run(['mv', '-n', '--', draft, join(outer, OWNER)], { okCodes: [0, 1] })
  await host.remove(draft)
  await host.run(['sync', '--', outer])
  const owner = await readOwner(host, directory)
  if (owner === undefined) throw new HoldfastError(`${join(outer, OWNER)} could not be written`)
  return owner
}

/** Whether a directory's name may be a label. */
export function isLabel(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)
}

/** The label of a backup's host, where it can be the name of a directory. */
export function safeLabel({ id, host: { label } }: Manifest): string {
  if (isLabel(label)) return label
  throw new InvalidInput(`${id}: the host label ${JSON.stringify(label)} cannot be the name of a directory`)
}
