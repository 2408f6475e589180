/** The machine Holdfast runs on. */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { InvalidInput } from '../errors.ts'
import type { Argv, Host } from './host.ts'
import type { Perform } from './local/deeds.ts'
import { explained } from './local/files.ts'
import { mayRead } from './local/may-read.ts'
import { perform as performSomewhere } from './local/perform.ts'
import { pipe } from './local/pipe.ts'

/** This machine as a host. */
export function localHost(name = 'local', perform: Perform = performSomewhere): Host {
  const at = <Result>(deed: string, path: string, act: (path: string) => Promise<Result>) =>
    explained(name, deed, path, () => act(absolute(path)))
  const maybe = (path: string | undefined) => (path === undefined ? undefined : absolute(path))

  return {
    name,
    async run(argv, { input, timeout, signal, onStdout, ...stage } = {}) {
      const [output] = await pipe(name, [{ argv, ...stage }], { input, timeout, signal, onStdout })
      if (!output) throw new Error('a pipe of one has one output')
      return output
    },
    pipe: async (stages, { from, to, ...options } = {}) => pipe(name, stages, { ...options, from: maybe(from), to: maybe(to) }),
    read: path => at('read', path, found => perform('read', found)),
    readIfThere: path => at('read', path, found => perform('readIfThere', found)),
    write: (path, data, options) => at('write', path, found => perform('write', found, data, options)),
    list: path => at('list', path, found => perform('list', found)),
    stat: (path, { follow } = {}) => at('look at', path, found => perform('stat', found, follow)),
    readable: path => at('look at', path, mayRead),
    makeDirectory: (path, { parents = true, ...options } = {}) =>
      at('make the directory', path, found => perform(parents ? 'makeDirectory' : 'makeOneDirectory', found, options)),
    rename: (from, to) => at(`rename to ${to} what is`, from, found => perform('rename', found, absolute(to))),
    async remove(path) {
      if (await at('remove', path, found => perform('remove', found))) return
      // Not Node's own: it cannot remove names that are not UTF-8.
      const command: Argv = ['rm', '-rf', '--one-file-system', '--', absolute(path)]
      await pipe(name, [{ argv: command }], {})
    },
    space: path => at('measure', path, found => perform('space', found)),
    resolve: async path => absolute(path),
    close: async () => undefined,
  }
}

function absolute(path: string): string {
  if (path.startsWith('~/')) return join(homedir(), path.slice(2))
  if (isAbsolute(path) && !path.includes('\0')) return path
  throw new InvalidInput(`${JSON.stringify(path)} is not a path: it has to begin with / or ~/`)
}
