/** Reads the configuration again when its file changes. */
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Configuration } from '../config.ts'

export interface WatchOptions {
  read(file: string): Promise<Configuration>
  /** A valid configuration, which may be the same as before. */
  onChange(configuration: Configuration): void
  /** Why the file could not be taken over; what was in force stays so. */
  onProblem(error: unknown): void
}

export interface Watch {
  /** Reads it now: for SIGHUP, and for secrets in files of their own. */
  reload(): Promise<void>
  close(): void
}

/** Editors and deployments write in several steps; this long nothing has to happen first. */
const quietMilliseconds = 100

/**
 * Watches the file's directory, because many editors replace the file. Does not keep the process alive. Reads one at a time, in
 * order, so that the last one to be taken over is the newest.
 */
export function watchFile(file: string, { read, onChange, onProblem }: WatchOptions): Watch {
  let timer: NodeJS.Timeout | undefined
  let last = Promise.resolve()
  const take = async () => {
    const next = await read(file).catch(onProblem)
    if (next) onChange(next)
  }
  const reload = () => {
    last = last.then(take).catch(onProblem)
    return last
  }
  const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
    // Mounted configurations are replaced by a link called ..data, under an unchanged name.
    if (name !== null && name !== basename(file) && !name.startsWith('..')) return
    clearTimeout(timer)
    timer = setTimeout(reload, quietMilliseconds).unref()
  })
  watcher.on('error', onProblem)
  return {
    reload,
    close() {
      clearTimeout(timer)
      watcher.close()
    },
  }
}
