/** Small files are copied by us: for them a program costs more than the work. */
import { dirname, join } from 'node:path'
import type { Host } from '../hosts/host.ts'
import type { Artifact } from '../manifest.ts'
import { makeBelow } from './disk.ts'
import { isPlainName } from './rsync.ts'
import { together } from './together.ts'

/** Bytes. */
const SMALL = 64 * 1024
/** Each is waited for until the disk has it: with more of them a program is quicker. */
const MOST = 32

export interface Sorted {
  small: Artifact[]
  /** And whatever is not what the manifest says. */
  others: Artifact[]
}

/** Tells the artifacts that `copySmall` takes from those that are left to a program. */
export async function sortBySize(host: Host, from: string, artifacts: readonly Artifact[]): Promise<Sorted> {
  const candidates = artifacts.filter(({ name, bytes }) => bytes <= SMALL && isPlainName(name))
  if (candidates.length > MOST) return { small: [], others: [...artifacts] }
  const found = await Promise.all(candidates.map(({ name }) => host.stat(join(from, name), { follow: false })))
  const small = candidates.filter(({ bytes }, index) => found[index]?.type === 'file' && found[index].size === bytes)
  return { small, others: artifacts.filter(artifact => !small.includes(artifact)) }
}

/** Copies files to the same names below another directory, which is there. Each is whole and on the disk, or not there. */
export async function copySmall(host: Host, from: string, to: string, artifacts: readonly Artifact[]): Promise<void> {
  const names = artifacts.map(({ name }) => name)
  for (const around of new Set(names.map(name => dirname(name)).filter(name => name !== '.')))
    await makeBelow(host, to, around.split('/'))
  await together(names.map(async name => host.write(join(to, name), await host.read(join(from, name)))))
}
