/** A machine on which commands run. Commands are argument lists; only a host driver that must quotes them. */

export type Argv = readonly [string, ...string[]]

export interface RunOptions {
  /** Written to the command's stdin, which is then closed. Without it stdin is empty. */
  input?: string | Uint8Array
  /** Added to the host's environment. The place for secrets: never argv. */
  env?: Record<string, string>
  /** Milliseconds after which the command is killed. */
  timeout?: number
  /** Ends the command and everything it started. */
  signal?: AbortSignal
  /** Exit codes that are not a failure. Default: 0 alone. Death by a signal counts as 128 + its number. */
  okCodes?: readonly number[]
  /** Called with each line of stderr that is not empty while the command runs (lines end at \n or \r). A throw ends the command. */
  onStderr?: (line: string) => void
  /** The same for stdout. */
  onStdout?: (line: string) => void
}

export interface Output {
  exitCode: number
  /** UTF-8 text of stdout. `bytes` holds it as it came. */
  stdout: string
  bytes: Uint8Array
  /** The last 64 KB. */
  stderr: string
}

/** One member of a pipe. */
export interface Stage {
  argv: Argv
  env?: Record<string, string>
  okCodes?: readonly number[]
  onStderr?: (line: string) => void
}

export interface PipeOptions {
  /** A file that the first member reads. */
  from?: string
  /** Written to the first member's stdin instead: small things such as a list of names. */
  input?: string | Uint8Array
  /** A file that the last member writes: made new with mode 0600, synced before the pipe resolves. Without it stdout is returned. */
  to?: string
  timeout?: number
  signal?: AbortSignal
}

/** One output for each member, in their order. Only the last one's stdout is filled, and only without `to`. */
export type PipeOutput = Output[]

export interface Name {
  name: string
  type: 'file' | 'directory' | 'link' | 'other'
}

export interface Entry extends Name {
  /** Bytes; 0 for what is not a file. */
  size: number
  modified: Date
}

export interface Space {
  free: number
  total: number
}

/**
 * What an implementer must guarantee:
 * - `argv` reaches the program unchanged, whatever bytes it holds; nothing is expanded.
 * - Paths are absolute or begin with `~/`, which is the home of the login.
 * - A failure rejects with `CommandFailed` or `HoldfastError`; an abort with the signal's reason.
 * - When the caller's process dies, what it started on this host dies too.
 */
export interface Host {
  readonly name: string
  /** Runs one command to its end and returns what it wrote; stdout is held in memory. */
  run(argv: Argv, options?: RunOptions): Promise<Output>
  /** Joins commands on the host itself: bulk bytes do not pass through Node. Every member must succeed. */
  pipe(stages: readonly [Stage, ...Stage[]], options?: PipeOptions): Promise<PipeOutput>
  /** The whole of a small file (64 MB at most). Rejects with code ENOENT in `cause` where there is none; see `readIfThere`. */
  read(path: string): Promise<Uint8Array>
  /** The same, or undefined where there is no such file. */
  readIfThere(path: string): Promise<Uint8Array | undefined>
  /**
   * Temporary name, fsync, rename, fsync of the directory: the file is whole or not there, and what a killed writer of it left goes.
   * Mode 0600 unless told. `lasting: false`: the directory is not synced, for who writes more into it before anybody relies on it.
   * `draft: false`: written under its own name at once, which must be free; for who writes into a directory that is a draft itself.
   */
  write(path: string, data: string | Uint8Array, options?: { mode?: number; lasting?: boolean; draft?: boolean }): Promise<void>
  /** What is in a directory, in name order, without a look at each. Empty where there is no such directory. */
  list(path: string): Promise<Name[]>
  /** What is at the path; undefined where there is nothing. Links are followed unless told. */
  stat(path: string, options?: { follow?: boolean }): Promise<Entry | undefined>
  /** Whether the login may read what is at the path. Links are followed; what is not there is not readable. */
  readable(path: string): Promise<boolean>
  /** Mode 0700 unless told; made to last, except with `lasting: false`. What exists stays as it is. Without `parents` the directory around it has to be there. */
  makeDirectory(path: string, options?: { mode?: number; parents?: boolean; lasting?: boolean }): Promise<void>
  /** Moves within one file system. Fails where `to` is a directory that is not empty. The parent directories are synced. */
  rename(from: string, to: string): Promise<void>
  /** File or whole tree; what is not there is fine. */
  remove(path: string): Promise<void>
  /** Free and total bytes of the file system that holds the path or its nearest existing parent. */
  space(path: string): Promise<Space>
  /** `path` with a leading `~/` replaced by the login's home; an absolute path as it is; anything else is refused. */
  resolve(path: string): Promise<string>
  /** Lets go of connections. */
  close(): Promise<void>
}
