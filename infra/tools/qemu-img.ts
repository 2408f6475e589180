/** The `qemu-img` program: what an image is, whether it is sound, and how images build on each other. */
import { z } from 'zod'
import { HoldfastError, messageOf, VerificationFailed } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { remembered } from './remembered.ts'

const Image = z.object({
  filename: z.string(),
  format: z.string(),
  /** Bytes the guest sees. */
  'virtual-size': z.number(),
  /** Bytes on disk. */
  'actual-size': z.number(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  'backing-filename-format': z.string().optional(),
  snapshots: z.array(z.looseObject({ name: z.string() })).optional(),
  'format-specific': z
    .object({
      data: z.looseObject({
        compat: z.string().optional(),
        corrupt: z.boolean().optional(),
        bitmaps: z.array(z.looseObject({ name: z.string(), flags: z.array(z.string()) })).optional(),
      }),
    })
    .optional(),
})

export interface ImageInfo {
  path: string
  format: string
  capacity: number
  allocated: number
  /** As written in the image: relative to its own directory, or absolute. */
  backing: string | undefined
  backingFormat: string | undefined
  /** Names of the snapshots inside. */
  snapshots: string[]
  /** qcow2: `1.1` is version 3, which can hold bitmaps. */
  compat: string | undefined
  bitmaps: { name: string; flags: readonly string[] }[]
}

export interface ImageOptions {
  signal?: AbortSignal
  /** Looks at an image that a running guest has open. */
  shared?: boolean
}

const HINT = 'Install it: apt-get install qemu-utils'

/** The image and, in order, everything it builds on. */
export async function imageChain(host: Host, path: string, { signal, shared }: ImageOptions = {}): Promise<ImageInfo[]> {
  const open = shared ? ['-U'] : []
  const { stdout } = await host.run(
    ['qemu-img', 'info', '--output=json', '--backing-chain', ...open, '--', path],
    withSignal(signal),
  )
  return z.array(Image).parse(JSON.parse(stdout)).map(infoOf)
}

/** One image by itself. */
export async function imageInfo(host: Host, path: string, { signal, shared }: ImageOptions = {}): Promise<ImageInfo> {
  const open = shared ? ['-U'] : []
  const { stdout } = await host.run(['qemu-img', 'info', '--output=json', ...open, '--', path], withSignal(signal))
  return infoOf(Image.parse(JSON.parse(stdout)))
}

/** Throws VerificationFailed where the image's own tables are damaged. Formats without tables have nothing to check. */
export async function checkImage(host: Host, path: string, signal?: AbortSignal): Promise<void> {
  // 0 sound, 1 could not be checked, 2 corrupt, 3 leaked clusters (lost space, no lost data), 63 nothing to check: qemu-img(1).
  const { exitCode, stdout, stderr } = await host.run(['qemu-img', 'check', '--', path], {
    okCodes: [0, 1, 2, 3, 63],
    ...withSignal(signal),
  })
  if (exitCode === 1 || exitCode === 2)
    throw new VerificationFailed(`${path} is damaged: ${`${stdout}\n${stderr}`.trim().split('\n').slice(-3).join('; ')}`, {
      hint: 'Restore from another copy; the next run makes a new backup.',
    })
}

/** Notes on what an image builds; its data stays as it is. A relative path counts from the image's directory. `''`: on nothing. */
export async function setBacking(host: Host, path: string, backing: string, format = 'qcow2'): Promise<void> {
  const on = backing === '' ? ['-b', ''] : ['-F', format, '-b', backing]
  await host.run(['qemu-img', 'rebase', '-u', ...on, '--', path])
}

/** Writes what is in an overlay into the image below it. The overlay keeps its data, so that a commit that was cut off is done again. */
export async function commitImage(host: Host, overlay: string, signal?: AbortSignal): Promise<void> {
  await host.run(['qemu-img', 'commit', '-q', '-d', '-f', 'qcow2', '--', overlay], withSignal(signal))
}

export interface Conversion {
  from: string
  fromFormat: string
  to: string
  toFormat: string
  /** Somebody may have `from` open for writing: it is up to the caller to know what that means. */
  shared?: boolean
  signal: AbortSignal
  /** Percent of the whole. */
  progress(percent: number): void
}

/** Makes a whole image of one with everything that it builds on; holes stay holes. It is on the disk when this returns. */
export async function convertImage(host: Host, conversion: Conversion): Promise<void> {
  const { from, fromFormat, to, toFormat, shared, signal, progress } = conversion
  const onStdout = (line: string) => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line)?.[1]
    if (percent) progress(Number(percent))
  }
  const formats = ['-f', fromFormat, '-O', toFormat]
  await host.run(['qemu-img', 'convert', '-p', ...(shared ? ['-U'] : []), ...formats, '--', from, to], { signal, onStdout })
  await host.run(['sync', '--', to], { signal })
}

const Measure = z.object({ required: z.number() })

/** Bytes that an image takes at most once it is written anew in a format. */
export async function measureImage(
  host: Host,
  { from, fromFormat, toFormat }: Pick<Conversion, 'from' | 'fromFormat' | 'toFormat'>,
  signal?: AbortSignal,
): Promise<number> {
  const argv = ['qemu-img', 'measure', '--output=json', '-f', fromFormat, '-O', toFormat, '--', from] as const
  const { stdout } = await host.run(argv, withSignal(signal))
  return Measure.parse(JSON.parse(stdout)).required
}

export interface Layer {
  image: string
  base: string
  /** Of `base`. */
  format: string
  capacity: number
}

/** Makes an empty qcow2 over another image, which has to be there. What lies at its path is written over. */
export async function layOver(host: Host, { image, base, format, capacity }: Layer, signal?: AbortSignal): Promise<void> {
  const argv = ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', format, '-b', base, '--', image, String(capacity)] as const
  await host.run(argv, withSignal(signal))
}

/** Copies into an image that nobody has open what it lacks, so that it stands alone. */
export async function standAlone(host: Host, image: string, signal?: AbortSignal): Promise<void> {
  await host.run(['qemu-img', 'rebase', '-f', 'qcow2', '-b', '', '--', image], withSignal(signal))
  await host.run(['sync', '--', image], withSignal(signal))
}

/** Removes a bitmap from an image that nobody has open. */
export async function removeBitmap(host: Host, path: string, name: string): Promise<void> {
  await host.run(['qemu-img', 'bitmap', '--remove', '--', path, name])
}

/** `7.2.22` */
export const version: (host: Host) => Promise<string> = remembered(askVersion)

async function askVersion(host: Host): Promise<string> {
  try {
    const { stdout } = await host.run(['qemu-img', '--version'])
    return /version (\S+)/.exec(stdout)?.[1] ?? stdout.split('\n')[0] ?? ''
  } catch (error) {
    throw new HoldfastError(`qemu-img does not run on ${host.name}: ${messageOf(error)}`, {
      cause: error,
      retryable: false,
      hint: HINT,
    })
  }
}

function infoOf(image: z.output<typeof Image>): ImageInfo {
  const data = image['format-specific']?.data
  return {
    path: image.filename,
    format: image.format,
    capacity: image['virtual-size'],
    allocated: image['actual-size'],
    backing: image['backing-filename'],
    backingFormat: image['backing-filename-format'],
    snapshots: (image.snapshots ?? []).map(({ name }) => name),
    compat: data?.compat,
    bitmaps: (data?.bitmaps ?? []).map(({ name, flags }) => ({ name, flags })),
  }
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {}
}
