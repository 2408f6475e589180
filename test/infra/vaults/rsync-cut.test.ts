import { mkdir, readdir, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { putWork } from './opened.ts'
import { big, host, open, slowRsync, watched } from './rsync-parts.ts'

/** A backup of 16 MB, where its copy is to go, and where that lies while it is not whole. */
async function halfway() {
  const path = join(await temporaryDirectory(), 'vault')
  const made = await makeBackup(await temporaryDirectory(), { files: { 'disk.img': big(16) } })
  const day = join(path, 'local', '2026-11-21')
  return { path, made, day, partial: join(day, '.zeus-020000Z.partial-1', 'disk.img') }
}

/** Until a megabyte has arrived. */
async function arrived(file: string): Promise<void> {
  while (((await host.stat(file))?.size ?? 0) < 1024 * 1024) await sleep(10)
}

/** The real host, whose rsync waits for us before it begins or after it has ended. */
function gated(when: 'before' | 'after') {
  const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const wait = async (now: string) => {
    if (now !== when) return
    reached.resolve()
    await open.promise
  }
  const through: Host = {
    ...host,
    async run(argv, options) {
      if (argv[0] !== 'rsync') return host.run(argv, options)
      await wait('before')
      const output = await host.run(argv, options)
      await wait('after')
      return output
    },
  }
  return { through, reached: reached.promise, goOn: open.resolve }
}

requires('rsync')('rsync: cut off in mid-copy', () => {
  test('rsync killed: nothing looks whole, and the next put goes on where it stopped', async () => {
    const { path, made, day, partial } = await halfway()
    const pidFile = join(await temporaryDirectory(), 'pid')
    const put = open(path, slowRsync(pidFile)).put(putWork(host, made))
    const failed = expect(put).rejects.toMatchObject({ name: 'CommandFailed' })
    await arrived(partial)
    process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL')
    await failed
    expect(await open(path).list()).toEqual([])
    await mkdir(join(day, '.hera-020000Z.partial-1'))
    const { through, literal } = watched()
    const { directory } = await open(path, through).put(putWork(host, made))
    expect(literal()).toBeLessThan(made.manifest.bytes - 900_000)
    expect(await readdir(day)).toEqual(['.hera-020000Z.partial-1', 'zeus-020000Z'])
    expect((await readFile(join(directory, 'disk.img'))).equals(await readFile(join(made.directory, 'disk.img')))).toBe(true)
  })

  test('the writer killed: the next one finishes', async () => {
    const { path, made, day, partial } = await halfway()
    const writer = execa(process.execPath, [join(import.meta.dirname, 'slow-put.ts'), path, made.directory], { reject: false })
    await arrived(partial)
    writer.kill('SIGKILL')
    await writer
    expect(await open(path).list()).toEqual([])
    await open(path).put(putWork(host, made, { fence: '2' }))
    expect(await readdir(day)).toEqual(['zeus-020000Z'])
  })

  test('aborted: rejects with the reason, and the next put finishes', async () => {
    const { path, made, day, partial } = await halfway()
    const abort = new AbortController()
    const slow = slowRsync(join(await temporaryDirectory(), 'pid'))
    const put = open(path, slow).put(putWork(host, made, { signal: abort.signal }))
    const failed = expect(put).rejects.toThrow('not ours any more')
    await arrived(partial)
    abort.abort(new Error('not ours any more'))
    await failed
    await open(path).put(putWork(host, made, { fence: '2' }))
    expect(await readdir(day)).toEqual(['zeus-020000Z'])
  })

  test('the vault vanishes: the error says so, and it is not made again', async () => {
    const { path, made, day } = await halfway()
    const { through, reached, goOn } = gated('after')
    const put = open(path, through).put(putWork(host, made))
    const message = `${path} vanished while ${made.manifest.id} was copied to it`
    const failed = expect(put).rejects.toMatchObject({ message, retryable: true, hint: expect.stringContaining('Mount') })
    await reached
    await rename(path, `${path}.unplugged`)
    goOn()
    await failed
    expect(await readdir(dirname(path))).toEqual(['vault.unplugged'])
    await rename(`${path}.unplugged`, path)
    await open(path).put(putWork(host, made, { fence: '2' }))
    expect(await readdir(day)).toEqual(['zeus-020000Z'])
  })

  test.each(['before', 'after'] as const)('another writer is quicker, %s our rsync: its copy is the answer', async when => {
    const { path, made, day } = await halfway()
    const { through, reached, goOn } = gated(when)
    const slower = open(path, through).put(putWork(host, made))
    await reached
    const quicker = await open(path).put(putWork(host, made, { fence: '2' }))
    goOn()
    expect(await slower).toEqual(quicker)
    expect(await readdir(day)).toEqual(['zeus-020000Z'])
  })
})
