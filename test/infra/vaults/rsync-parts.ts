/** What the tests of the rsync vault share. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { rsync } from '../../../infra/vaults/rsync.ts'
import type { Vault } from '../../../infra/vaults/vault.ts'

export const host = localHost()
/** The vault `nas` in a directory. */
export const open = (path: string, through: Host = host): Vault => rsync.open('nas', { path }, () => through)

/** Flips the lowest bit of a file's first byte. */
export async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[0] = (bytes[0] ?? 0) ^ 1
  await writeFile(path, bytes)
}

/** The real host; what rsync says of the bytes that travelled is noted. */
export function watched(): { through: Host; literal: () => number } {
  let literal = 0
  const through: Host = {
    ...host,
    async run(argv, options) {
      const output = await host.run(argv, options)
      literal += Number(/^Literal data: (\d+)/m.exec(output.stdout)?.[1] ?? 0)
      return output
    },
  }
  return { through, literal: () => literal }
}

/** The real host with an rsync that takes its time and writes its process id to a file. */
export function slowRsync(pidFile: string): Host {
  const script = 'echo $$ >"$0"; exec rsync --bwlimit=2m "$@"'
  return {
    ...host,
    run: ([program, ...rest], options) =>
      host.run(program === 'rsync' ? ['sh', '-c', script, pidFile, ...rest] : [program, ...rest], options),
  }
}

/** Data that nothing can shrink. */
export const big = (megabytes: number) => randomBytes(megabytes * 1024 * 1024)

/** Every name below a directory. */
export async function everything(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort()
}
