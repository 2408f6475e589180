/** What hangs below a backup: it is said, nothing waits for it for ever, and all ends well once it answers again. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { abortJob, awaitJob } from '../../../../infra/sources/vm/job.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { type Jobs, jobsOf } from './jobs.ts'
import { verbsOf } from './verbs.ts'

const id = 'zeus-20261121T020000Z'

requires('libvirt')('a backup job', () => {
  let place: Directory
  let root: string
  let libvirt: Libvirt
  let guest: Guest
  let jobs: Jobs

  beforeAll(async () => {
    place = await makeDirectory()
    root = join(place.path, 'root')
    await mkdir(root)
    libvirt = await startLibvirt()
    const disks = [{ size: 256 * MB, filled: 128 * MB }]
    guest = await defineGuest(libvirt, { name: 'zeus', agent: 'absent', writes: false, disks })
    await guest.start()
    jobs = jobsOf(libvirt, guest)
  }, 120_000)
  afterAll(async () => {
    await libvirt?.stop()
    await place?.remove()
  })

  const zeus = (limit?: number, signal?: AbortSignal) => ({
    ...{ host: localHost(), uri: libvirt.uri, domain: 'zeus', signal },
    ...(limit !== undefined && { limit }),
  })
  const stage = () => join(root, `.vm-${id}`)

  test('of a QEMU that hangs, one that stands still, and one that does not end', async () => {
    const verbs = verbsOf({ root, id, options: { uri: libvirt.uri, quiesce: 'never' } }, await jobs.slow())
    const held = await verbs.snapshot()

    const qemu = await guest.qemuPid()
    onTestFinished(() => void process.kill(qemu, 'SIGCONT'))
    process.kill(qemu, 'SIGSTOP')
    await expect(abortJob(zeus(1000), stage())).rejects.toMatchObject({
      message: expect.stringMatching(/^virsh on local ran out of time/),
      hint: expect.stringContaining('`virsh domjobinfo --domain=zeus` got no answer'),
      retryable: true,
    })
    process.kill(qemu, 'SIGCONT')

    const warnings: string[] = []
    const given = new AbortController()
    const awaited = awaitJob(zeus(undefined, given.signal), {
      ...{ stage: stage(), images: [], progress: () => undefined },
      ...{ patience: 1000, warn: message => void warnings.push(message) },
    })
    awaited.catch(() => undefined)
    await until('it is said', async () => warnings.length > 0)
    given.abort()
    await expect(awaited).rejects.toThrow()
    expect(warnings[0]).toMatch(/^the backup job of zeus has written nothing for 1s, and is waited for/)

    await expect(abortJob({ ...zeus(), host: deaf() }, stage(), 1000)).rejects.toMatchObject({
      message: 'the backup job of zeus was told to end, and has not within 1s',
      hint: expect.stringContaining(`Does the file system of ${stage()} answer?`),
      retryable: true,
    })
    expect(await jobs.running()).toBe(true)

    await verbs.release(held)
    expect(await jobs.running()).toBe(false)
    expect(await localHost().stat(stage())).toBeUndefined()
    expect(await guest.state()).toBe('running')
  }, 120_000)
})

/** As where a job's file system hangs: it is told to end, and does not. One that is really frozen takes all of QEMU with it now and then. */
function deaf(): Host {
  const host = localHost()
  return { ...host, run: (argv, options) => host.run(argv.includes('domjobabort') ? ['true'] : argv, options) }
}
