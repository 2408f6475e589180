import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { HoldfastError } from '../../../infra/errors.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'
import { hostContract } from './contract.ts'
import { gone, processId, rejection } from './processes.ts'

const open = async () => ({ host: localHost(), directory: await temporaryDirectory() })

hostContract('local', open)

requires('setpriv')('when Holdfast is killed', () => {
  test('so is what it ran', async () => {
    const { host, directory } = await open()
    const file = join(directory, 'pid')
    const module = join(import.meta.dirname, '../../../infra/hosts/local.ts')
    const script = `const { localHost } = await import(process.argv[1])
      await localHost().pipe([{ argv: ['sh', '-c', 'echo $$ >"$1.new"; mv "$1.new" "$1"; exec sleep 1000', 'sh', process.argv[2]] }, { argv: ['cat'] }])`
    const worker = execa(process.execPath, ['--input-type=module', '--eval', script, module, file], { reject: false })
    const sleeper = await processId(host, file)
    worker.kill('SIGKILL')
    await worker
    await gone(host, sleeper)
  })
})

test('a file system that takes no directories is an error, not an endless wait', async () => {
  const { host } = await open()
  await expect(host.makeDirectory('/proc/holdfast/deeper')).rejects.toThrow('/proc/holdfast: the directory around it takes none')
})

test('a daemon that keeps our pipes does not keep us', async () => {
  const { host, directory } = await open()
  const file = join(directory, 'pid')
  const { stdout } = await host.run(['sh', '-c', 'echo started; sleep 1000 & echo $! >"$1"', 'sh', file])
  const daemon = await processId(host, file)
  expect(stdout).toBe('started\n')
  process.kill(daemon, 'SIGKILL')
})

requires('root', 'mount')('a full disk', () => {
  test('is told with what to do, and leaves nothing behind', async () => {
    const host = localHost()
    const directory = await temporaryDirectory({ tmpfs: '1m' })
    const fullDisk = { hint: expect.stringContaining('disk is full') }
    expect(await rejection(HoldfastError, host.write(join(directory, 'file'), Buffer.alloc(2_000_000)))).toMatchObject(fullDisk)
    const pipe = host.pipe([{ argv: ['head', '-c', '2000000', '/dev/zero'] }], { to: join(directory, 'file') })
    expect(await rejection(HoldfastError, pipe)).toMatchObject(fullDisk)
    expect(await host.list(directory)).toEqual([])
    expect((await host.space(directory)).total).toBe(1024 * 1024)
  })
})

describe('a large file', () => {
  test('is not read into memory', async () => {
    const { host, directory } = await open()
    const path = join(directory, 'large')
    await host.run(['truncate', '-s', '65M', path])
    await expect(host.read(path)).rejects.toThrow('too many to hold in memory')
  })
})
