/** A backup job: QEMU itself writes the images of a moment while the guest goes on. */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { formatDuration } from '../../duration.ts'
import { HoldfastError } from '../../errors.ts'
import { ask, askUnless, type Guest, isActive, NOT_RUNNING } from '../../tools/guest.ts'
import type { Progress } from '../source.ts'
import { lookout } from './lookout.ts'

const NO_JOB = new RegExp(`no domain backup job present|${NOT_RUNNING.source}`)
/** QEMU has ended and libvirt has not noticed yet: while there is a job, that takes it up to half a minute. */
const ENDING = /(from|to|closed the)( qemu)? monitor|client socket is closed/
const BACKUP = 'backup.xml'
const CHECKPOINT = 'checkpoint.xml'
/** libvirt's number for it, and for one that it found when it was restarted. */
const OPERATIONS = ['9', '0']
const OFTEN = 50
const SELDOM = 1000
/** A job that was told to end waits for what it is writing. */
const ABORT_LIMIT = 2 * 60_000
/** How often a libvirt that knows nothing of a job is asked again. */
const PATIENCE = 5

export interface JobDisk {
  target: string
  /** Where its image is written. */
  image: string
  /** The checkpoint since which it is written; undefined: all of it. */
  since: string | undefined
  /** The new checkpoint follows it. */
  followed: boolean
}

export interface Job {
  guest: Guest
  stage: string
  /** Undefined: no checkpoint is made. */
  checkpoint: string | undefined
  disks: readonly JobDisk[]
}

/** Writes down what the job is to do. */
export async function writeJob(job: Job): Promise<void> {
  const { host } = job.guest
  await host.write(join(job.stage, BACKUP), backupText(job))
  if (job.checkpoint) await host.write(join(job.stage, CHECKPOINT), checkpointText(job, job.checkpoint))
}

/** Begins what was written down: the moment is fixed when this returns. */
export async function beginJob(guest: Guest, stage: string, checkpoint: boolean): Promise<void> {
  const noting = checkpoint ? [`--checkpointxml=${join(stage, CHECKPOINT)}`] : []
  await ask(guest, 'backup-begin', `--backupxml=${join(stage, BACKUP)}`, ...noting)
}

interface Running extends Partial<Progress> {
  /** Ours writes into the stage. */
  whose: 'ours' | 'foreign'
}

/** The job that runs; undefined: none. */
export async function runningJob(guest: Guest, stage: string): Promise<Running | undefined> {
  // A libvirtd that was just restarted knows the backup before it knows the job.
  const [xml, text] = await Promise.all([
    askUnless(guest, NO_JOB, 'backup-dumpxml'),
    askUnless(guest, new RegExp(`${ENDING.source}|${NOT_RUNNING.source}`), 'domjobinfo', '--rawstats'),
  ])
  const { 'Job type': type = '0', disk_processed: bytes, disk_total: total } = fieldsOf(text)
  if (xml === undefined && type === '0') return undefined
  return {
    whose: xml?.includes(`${escaped(stage)}/`) ? 'ours' : 'foreign',
    ...(bytes && { bytes: Number(bytes) }),
    ...(total && { total: Number(total) }),
  }
}

export interface Awaited {
  stage: string
  /** What the job writes. */
  images: readonly string[]
  progress(progress: Progress): void
  /** Told of a job that stands still; it is waited for all the same. */
  warn(message: string): void
  /** Milliseconds after which it stands still. */
  patience?: number
}

/** Waits until the job has ended, and fails unless it ended well. */
export async function awaitJob(guest: Guest, awaited: Awaited, looks = 0): Promise<void> {
  const { stage, images, progress } = awaited
  const look = lookout(guest, awaited)
  for (let pause = OFTEN; ; pause = Math.min(pause * 1.5, SELDOM)) {
    const job = await runningJob(guest, stage)
    if (job?.whose !== 'ours') break
    look(job.bytes)
    if (job.bytes !== undefined) progress({ ...job, bytes: job.bytes })
    await wait(pause, undefined, guest.signal && { signal: guest.signal })
  }
  const last = await lastJob(guest)
  const whole = await areThere(guest, images)
  if (whole && last.operation === undefined && looks < PATIENCE && (await isOn(guest))) {
    // It may just have been restarted.
    await wait(SELDOM, undefined, guest.signal && { signal: guest.signal })
    return await awaitJob(guest, awaited, looks + 1)
  }
  if (!whole || !isGood(last)) throw failureOf(guest, await reasonFor(guest, last, whole), stage)
}

/**
 * Whether the job ended well, once it runs no more. libvirt remembers one job and not whose it was, so that may be somebody else's; but it
 * removes the images of a job that ends in any other way.
 */
export async function endedWell(guest: Guest, images: readonly string[]): Promise<boolean> {
  return (await areThere(guest, images)) && isGood(await lastJob(guest))
}

/** Ends a job of ours; its images are worth nothing then. One that does not end within the limit (ms) is an error, not waited for. */
export async function abortJob(guest: Guest, stage: string, limit = ABORT_LIMIT): Promise<void> {
  const end = Date.now() + limit
  for (let pause = OFTEN; (await runningJob(guest, stage))?.whose === 'ours'; pause = Math.min(pause * 2, SELDOM)) {
    if (Date.now() >= end) throw endless(guest, stage, limit)
    await askUnless(guest, new RegExp(`no job is active|${ENDING.source}|${NOT_RUNNING.source}`), 'domjobabort')
    await wait(pause, undefined, guest.signal && { signal: guest.signal })
  }
}

function isGood({ operation = '', success }: Last): boolean {
  return OPERATIONS.includes(operation) && success === '1'
}

async function areThere({ host }: Guest, images: readonly string[]): Promise<boolean> {
  return (await Promise.all(images.map(path => host.stat(path)))).every(Boolean)
}

async function reasonFor(guest: Guest, { operation, errmsg }: Last, whole: boolean): Promise<string> {
  if (errmsg !== undefined) return whole ? `${errmsg} (unless that was a job of somebody else that ended after it)` : errmsg
  if (!(await isOn(guest))) return 'the guest went off'
  if (operation === undefined) return 'libvirt does not say why'
  return whole ? 'another job ended after it' : 'its images are gone, and another job ended after it'
}

async function isOn(guest: Guest): Promise<boolean> {
  return isActive((await askUnless(guest, NOT_RUNNING, 'domstate')) ?? 'shut off')
}

type Last = Record<string, string | undefined>

async function lastJob(guest: Guest): Promise<Last> {
  return fieldsOf(await askUnless(guest, NOT_RUNNING, 'domjobinfo', '--completed', '--keep-completed', '--rawstats'))
}

function endless({ domain }: Guest, stage: string, limit: number): HoldfastError {
  return new HoldfastError(`the backup job of ${domain} was told to end, and has not within ${formatDuration(limit)}`, {
    hint: `Does the file system of ${stage} answer? The job ends once it does, and this is tried again. See: virsh domjobinfo ${domain}`,
  })
}

function failureOf(guest: Guest, why: string, stage: string): HoldfastError {
  return new HoldfastError(`the backup job of ${guest.domain} did not end well: ${why}`, {
    retryable: false,
    hint: /[Nn]o space left/.test(why)
      ? `Make room on the file system of ${stage}; the next run begins anew.`
      : 'The next run begins anew.',
  })
}

/** `name: value` on each line. */
function fieldsOf(text = ''): Record<string, string | undefined> {
  return Object.fromEntries(Array.from(text.matchAll(/^(\S[^:]*): *(.*)$/gm), ([, name = '', value = '']) => [name, value]))
}

/** Disks that are not named take no part. */
function backupText({ disks }: Job): string {
  const texts = disks.map(({ target, image, since }) => {
    const mode = since ? `backupmode='incremental' incremental='${escaped(since)}'` : `backupmode='full'`
    const file = `<target file='${escaped(image)}'/><driver type='qcow2'/>`
    return `<disk name='${escaped(target)}' backup='yes' type='file' ${mode}>${file}</disk>`
  })
  return `<domainbackup mode='push'><disks>${texts.join('')}</disks></domainbackup>\n`
}

function checkpointText({ disks }: Job, name: string): string {
  const followed = disks.map(disk => `<disk name='${escaped(disk.target)}' checkpoint='${disk.followed ? 'bitmap' : 'no'}'/>`)
  const about = `<name>${escaped(name)}</name><description>Holdfast</description>`
  return `<domaincheckpoint>${about}<disks>${followed.join('')}</disks></domaincheckpoint>\n`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&apos;')
    .replaceAll('"', '&quot;')
}
