/** Brings a captured database beside its target, and proves it there. */
import { basename, dirname, join } from 'node:path'
import { HoldfastError, InvalidInput } from '../../errors.ts'
import { type Ownership, own, ownership } from '../../tools/ownership.ts'
import type { RestoreWork, Staged } from '../source.ts'
import { checkIntegrity } from './check.ts'

export interface Place {
  artifact: string
  /** Absolute, links resolved. */
  target: string
  /** How file and directory were, for where they are gone; undefined: the login's own. */
  attributes: { file: Ownership; directory: Ownership } | undefined
}

/** Copies, checks, and says what has to be exchanged: the old -wal, -shm and -journal go first, so that they never meet the new database. */
export async function stageDatabase(work: RestoreWork<unknown>, { artifact, target, attributes }: Place): Promise<Staged> {
  const { host, signal } = work
  if ((await host.stat(target))?.type === 'directory')
    throw new InvalidInput(`${target} is a directory; a database is restored to a file`)
  await makeDirectory(work, dirname(target), attributes?.directory)
  const staged = join(dirname(target), `.holdfast-${work.token}-${basename(target)}`)
  try {
    await copy(work, artifact, staged)
    const wanted = (await ownership(host, target)) ?? attributes?.file
    if (wanted) await own(host, staged, wanted)
    await host.run(['sync', staged], { signal })
    const integrity = await checkIntegrity(host, staged, signal, work.warn)
    const aside = ['-wal', '-shm', '-journal'].map(suffix => ({ target: `${target}${suffix}`, staged: undefined }))
    return {
      replacements: [...aside, { target, staged }],
      leftOut: false,
      scratch: [],
      checks: [{ name: 'integrity_check of the restored file', result: integrity }],
    }
  } catch (error) {
    if (!signal.aborted) await host.remove(staged)
    throw error
  }
}

async function makeDirectory(
  { host, warn }: RestoreWork<unknown>,
  directory: string,
  attributes: Ownership | undefined,
): Promise<void> {
  if (await host.stat(directory)) return
  await host.makeDirectory(directory, { mode: attributes ? 0o755 : 0o700 })
  if (attributes) await own(host, directory, attributes)
  warn(`${directory} was missing and was made${attributes ? ` with owner ${attributes.owner} and mode ${attributes.mode}` : ''}`)
}

async function copy({ host, signal }: RestoreWork<unknown>, artifact: string, staged: string): Promise<void> {
  const [size, { free }] = [(await host.stat(artifact))?.size ?? 0, await host.space(dirname(staged))]
  if (free < size) {
    throw new HoldfastError(
      `${dirname(staged)} has ${free} bytes free, the database needs ${size} beside the one that is there`,
      { hint: 'Make room there.' },
    )
  }
  await host.remove(staged)
  await host.run(['cp', '--reflink=auto', '--sparse=auto', '--', artifact, staged], { signal })
}
