/** The records of a guest, read from an image of its disk without booting it. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa, type Options } from 'execa'
import { makeDirectory } from './directory.ts'

export interface Records {
  /** How many there are. */
  count: number
  /** The last one's number, 0 where there is none: the same as `count` where none is missing. */
  last: number
  /** Where they are not 1, 2, 3 … with the right checksums: the first such lines. */
  faults: string[]
  /** `e2fsck -fn` found nothing, after a replay of the journal where it needed one. */
  clean: boolean
  /** The journal had to be replayed, as after a power cut. A frozen file system needs none. */
  replayed: boolean
  /** What e2fsck said. */
  report: string
}

const options = { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8' }, stdin: 'ignore' } satisfies Options

/** Reads any image that qemu-img opens, with what lies below it. It must not be in use: `qemu-img` says so. */
export async function readRecords(image: string): Promise<Records> {
  await using directory = await makeDirectory()
  const raw = join(directory.path, 'disk.raw')
  await execa('qemu-img', ['convert', '-O', 'raw', image, raw], options)
  const replayed = await replay(raw)
  const { exitCode, stdout } = await execa('e2fsck', ['-fn', raw], { ...options, reject: false })
  const records = join(directory.path, 'records')
  await execa('debugfs', ['-R', `dump /records ${records}`, raw], options)
  return {
    ...checkRecords(existsSync(records) ? await readFile(records, 'utf8') : ''),
    clean: exitCode === 0,
    replayed,
    report: stdout,
  }
}

/** Checks the text that a guest's writer wrote: `<n> <sha256 of "record n">`, from 1 and without a gap. */
export function checkRecords(text: string): Pick<Records, 'count' | 'last' | 'faults'> {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const faults = lines.filter((line, index) => line !== recordOf(index + 1)).slice(0, 10)
  return { count: lines.length, last: Number.parseInt(lines.at(-1) ?? '', 10) || 0, faults }
}

/** The line with this number. */
export function recordOf(number: number): string {
  return `${number} ${createHash('sha256').update(`record ${number}`).digest('hex')}`
}

async function replay(raw: string): Promise<boolean> {
  const { stdout } = await execa('dumpe2fs', ['-h', raw], options)
  if (!/^Filesystem features:.*\bneeds_recovery\b/m.test(stdout)) return false
  await execa('e2fsck', ['-fy', '-E', 'journal_only', raw], { ...options, reject: false })
  return true
}
