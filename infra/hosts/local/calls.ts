/**
 * The calls of the file system that may wait for a disk or a server. In Holdfast's own thread they happen aside; in a thread that does
 * nothing else (file-thread.ts) at once, which costs a tenth.
 */
import * as fs from 'node:fs'
import * as aside from 'node:fs/promises'
import { promisify } from 'node:util'
import { workerData } from 'node:worker_threads'

interface Calls {
  /** The descriptor; whoever asks for it closes it. */
  open(path: string, flags: string, mode?: number): Promise<number>
  /** Waits until the disk has what was written. */
  sync(file: number): Promise<void>
  /** The whole of what is open, however large. */
  readAll(file: number): Promise<Buffer>
  list(path: string): Promise<fs.Dirent[]>
  stat(path: string): Promise<fs.Stats>
  lstat(path: string): Promise<fs.Stats>
  make(path: string, mode: number): Promise<unknown>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  measure(path: string): Promise<fs.StatsFs>
}

const waiting: Calls = {
  open: promisify(fs.open),
  sync: promisify(fs.fsync),
  readAll: promisify(fs.readFile),
  list: path => aside.readdir(path, { withFileTypes: true }),
  stat: path => aside.stat(path),
  lstat: path => aside.lstat(path),
  make: (path, mode) => aside.mkdir(path, { mode }),
  rename: aside.rename,
  unlink: aside.unlink,
  measure: path => aside.statfs(path),
}

const atOnce: Calls = {
  open: async (path, flags, mode) => fs.openSync(path, flags, mode),
  sync: async file => fs.fsyncSync(file),
  readAll: async file => fs.readFileSync(file),
  list: async path => fs.readdirSync(path, { withFileTypes: true }),
  stat: async path => fs.statSync(path),
  lstat: async path => fs.lstatSync(path),
  make: async (path, mode) => fs.mkdirSync(path, { mode }),
  rename: async (from, to) => fs.renameSync(from, to),
  unlink: async path => fs.unlinkSync(path),
  measure: async path => fs.statfsSync(path),
}

/** What a thread is given that may do all of this at once. */
export const FILE_THREAD = 'holdfast file thread'

export const calls: Calls = workerData?.role === FILE_THREAD ? atOnce : waiting
