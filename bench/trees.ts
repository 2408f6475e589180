/** Trees of files to back up. */

import { randomFillSync } from 'node:crypto'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { scaled } from './scale.ts'

const MB = 1_000_000

/** As on a machine that is worked on: programs (those of this project), pictures that do not compress, thousands of notes. 500 MB. */
export async function mixedTree(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  await cp(join(import.meta.dirname, '..', 'node_modules'), join(directory, 'programs'), {
    recursive: true,
    verbatimSymlinks: true,
  })
  await manyFiles(join(directory, 'pictures'), scaled(12), () => randomFillSync(Buffer.alloc(10 * MB)))
  for (let folder = 0; folder < scaled(100); folder++)
    await manyFiles(join(directory, 'notes', String(folder)), 100, index => Buffer.from(text(10_000, index + folder * 100)))
}

/** Files that are quickly made and quickly read, so many bytes in all. */
export async function largeTree(directory: string, bytes: number): Promise<void> {
  const block = Buffer.from(text(50 * MB, 1))
  await manyFiles(directory, Math.max(1, Math.round(bytes / block.length)), () => block)
}

async function manyFiles(directory: string, count: number, content: (index: number) => Buffer): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (let index = 0; index < count; index++) await writeFile(join(directory, `file${index}`), content(index))
}

/** Words that mean nothing, as often as words are: few of them all the time, most of them seldom. */
function text(length: number, seed: number): string {
  const words: string[] = []
  let state = seed + 1
  for (let size = 0; size < length; size += (words.at(-1)?.length ?? 0) + 1) {
    state = (state * 48_271) % 2_147_483_647
    words.push(Math.floor((state / 2_147_483_647) ** 4 * 50_000).toString(29))
  }
  return words.join(' ')
}
