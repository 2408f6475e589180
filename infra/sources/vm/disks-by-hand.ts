/** The commands of RESTORE.md that put a domain's own disks back. */
import { dirname } from 'node:path'
import type { Image } from './details.ts'
import { overwrite } from './devices.ts'
import { quoted } from './quoting.ts'

/** What becomes of what is there. */
export function asideNote(images: readonly Image[]): string {
  const devices = images.filter(({ device }) => device).map(({ source }) => `\`${source}\``)
  const files = images.length > devices.length ? 'Its disks are moved aside, not removed: `mv` them back to undo this.' : ''
  if (!devices.length) return files
  return `${files}
What is on ${devices.join(' and ')} is **written over**. It is copied to \`$keep\` first, \`/var/tmp\` unless told; that takes as much room as it holds.`.trim()
}

/** A file is moved aside, a device is written over once a copy of it is kept. */
export function diskInPlace(image: Image): string {
  return image.device ? deviceInPlace(image) : fileInPlace(image)
}

/** `convert` reads the whole chain; what it writes stands on nothing. */
function fileInPlace({ artifact, format, source, sourceFormat, owner, mode }: Image): string {
  const path = quoted(source)
  const restored = quoted(`${source}.restored`)
  return [
    `mkdir -p ${quoted(dirname(source))}`,
    `qemu-img convert -f ${format} -O ${sourceFormat} ${artifact} ${restored}`,
    ...(owner && mode ? [`chown ${owner} ${restored} || true`, `chmod ${mode} ${restored}`] : []),
    `if [ -e ${path} ]; then mv -- ${path} ${quoted(`${source}.before-restore`)}; fi`,
    `mv -- ${restored} ${path}`,
  ].join('\n')
}

/** Nothing is written to what is no device, or too small. What was kept is not replaced by what was restored. */
function deviceInPlace(image: Image): string {
  const path = quoted(image.source)
  const kept = `"\${keep:-/var/tmp}/${image.artifact}.before-restore.qcow2"`
  return [
    `[ -b ${path} ] || { echo ${quoted(`${image.source} is no block device`)} >&2; exit 1; }`,
    `[ "$(blockdev --getsize64 ${path})" -ge ${image.capacity} ] || { echo ${quoted(`${image.source} is smaller than ${image.capacity} bytes`)} >&2; exit 1; }`,
    `if [ ! -e ${kept} ]; then qemu-img convert -f raw -O qcow2 ${path} ${kept}.part; mv -- ${kept}.part ${kept}; fi`,
    overwrite({ ...image, source: path }),
  ].join('\n')
}
