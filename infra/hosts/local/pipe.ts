/** Programs of this machine, joined by the kernel: bulk bytes never pass through Node. */
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PipeOptions, PipeOutput, Stage } from '../host.ts'
import { ended } from './child.ts'
import { explained } from './files.ts'
import { type Ends, failed, failure, firstFailed, listen, type Member, output, startAll } from './members.ts'
import { syncDirectory } from './opened.ts'
import { watch } from './watch.ts'

export type Stages = readonly [Stage, ...Stage[]]

/** The paths are absolute. */
export type JoinOptions = { [Key in keyof PipeOptions]: PipeOptions[Key] | undefined } & {
  onStdout?: ((line: string) => void) | undefined
}

/** Runs the stages side by side and returns when all have ended and nobody holds what they wrote. */
export async function pipe(host: string, stages: Stages, options: JoinOptions): Promise<PipeOutput> {
  options.signal?.throwIfAborted()
  const { from: path } = options
  const from = path === undefined ? undefined : await explained(host, 'read', path, () => open(path, 'r'))
  try {
    if (options.to === undefined) return await join(host, stages, options, { from: from?.fd, to: undefined })
    return await intoFile(host, options.to, to => join(host, stages, options, { from: from?.fd, to }))
  } finally {
    await from?.close()
  }
}

async function intoFile<Result>(host: string, path: string, fill: (descriptor: number) => Promise<Result>): Promise<Result> {
  const file = await explained(host, 'make', path, () => open(path, 'wx', 0o600))
  try {
    const result = await fill(file.fd)
    await explained(host, 'sync', path, () => file.sync())
    await syncDirectory(dirname(path))
    return result
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function join(host: string, stages: Stages, options: JoinOptions, files: Pick<Ends, 'from' | 'to'>): Promise<PipeOutput> {
  const members = startAll(host, stages, { ...files, input: options.input })
  const watcher = watch(host, members, options)
  for (const member of members) listen(member, member === members.at(-1) ? options.onStdout : undefined, watcher.fail)
  await Promise.all(members.map(member => end(member, watcher.doomed)))
  watcher.finish()
  const culprit = firstFailed(members)
  if (culprit) throw failure(host, culprit)
  return members.map(output)
}

async function end(member: Member, doomed: () => void): Promise<void> {
  member.ending = await ended(member.child)
  if (failed(member)) doomed()
}
