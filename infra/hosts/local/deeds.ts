/** What is done to the files of this machine, by name, so that another thread can be asked for it. */
import type { Entry, Name, Space } from '../host.ts'
import { listDirectory, makeDirectory, readFile, readIfThere, removeFile, renameFile, spaceAt, statFile } from './files.ts'
import { type Making, makeOneDirectory } from './one-directory.ts'
import { type Writing, writeFile } from './write.ts'

interface Signature<Given extends unknown[], Done> {
  given: Given
  done: Done
}

interface Signatures {
  read: Signature<[path: string], Uint8Array>
  readIfThere: Signature<[path: string], Uint8Array | undefined>
  write: Signature<[path: string, data: string | Uint8Array, writing?: Writing], void>
  list: Signature<[path: string], Name[]>
  stat: Signature<[path: string, follow?: boolean], Entry | undefined>
  makeDirectory: Signature<[path: string, making?: Making], void>
  makeOneDirectory: Signature<[path: string, making?: Making], void>
  rename: Signature<[from: string, to: string], void>
  remove: Signature<[path: string], boolean>
  space: Signature<[path: string], Space>
}

export type Deed = keyof Signatures
export type Given<D extends Deed> = Signatures[D]['given']
export type Done<D extends Deed> = Signatures[D]['done']

/** Does one of them. */
export type Perform = <D extends Deed>(deed: D, ...given: Given<D>) => Promise<Done<D>>

const deeds: { [D in Deed]: (...given: Given<D>) => Promise<Done<D>> } = {
  read: readFile,
  readIfThere,
  write: writeFile,
  list: listDirectory,
  stat: statFile,
  makeDirectory,
  makeOneDirectory,
  rename: renameFile,
  remove: removeFile,
  space: spaceAt,
}

/** In this thread. */
export const performHere: Perform = (deed, ...given) => deeds[deed](...given)
