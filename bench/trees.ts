/** Trees of files to back up. */

import { randomFillSync } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { scaled } from './scale.ts'

const MB = 1_000_000

/** What a directory of a program or a person looks like: pictures and archives, logs, and thousands of small things. 500 MB. */
export async function mixedTree(directory: string): Promise<void> {
  await manyFiles(join(directory, 'pictures'), scaled(20), () => randomFillSync(Buffer.alloc(10 * MB)))
  await manyFiles(join(directory, 'logs'), scaled(20), index => Buffer.from(logLines(10 * MB, index)))
  for (let folder = 0; folder < scaled(100); folder++)
    await manyFiles(join(directory, 'notes', String(folder)), 100, index => Buffer.from(logLines(10_000, index + folder * 100)))
}

/** Files that are quickly made and quickly read, so many bytes in all. */
export async function largeTree(directory: string, bytes: number): Promise<void> {
  const block = Buffer.from(logLines(50 * MB, 1))
  await manyFiles(directory, Math.max(1, Math.round(bytes / block.length)), () => block)
}

async function manyFiles(directory: string, count: number, content: (index: number) => Buffer): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (let index = 0; index < count; index++) await writeFile(join(directory, `file${index}`), content(index))
}

const words = [
  'connection',
  'accepted',
  'from',
  'worker',
  'finished',
  'in',
  'request',
  'GET',
  '/index.html',
  '200',
  'error',
  'retry',
]

/** Text that says nothing, and never twice the same. */
function logLines(length: number, seed: number): string {
  const lines: string[] = []
  let state = seed + 1
  for (let size = 0; size < length; size += lines.at(-1)?.length ?? 0) {
    const picked = Array.from({ length: 8 }, () => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
      return words[state % words.length]
    })
    lines.push(`${state} ${picked.join(' ')}\n`)
  }
  return lines.join('')
}
