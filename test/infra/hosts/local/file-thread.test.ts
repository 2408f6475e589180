/** The thread for file work: that it does what this thread does, and that a file system that hangs holds up nobody else. */
import { constants } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { HoldfastError } from '../../../../infra/errors.ts'
import { FileThread } from '../../../../infra/hosts/local/file-thread.ts'
import { perform } from '../../../../infra/hosts/local/perform.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { until } from '../../../services/until.ts'
import { fileContract } from '../files.ts'

async function started(patience?: number): Promise<FileThread> {
  const thread = new FileThread(patience === undefined ? {} : { patience })
  await until('the thread runs', async () => thread.open)
  return thread
}

describe('a host whose files a thread of its own reads and writes', () => {
  let thread: FileThread
  beforeAll(async () => {
    thread = await started()
  })
  afterAll(() => thread.end())
  fileContract(async () => ({ host: localHost('local', thread.perform), directory: await temporaryDirectory() }))
})

test('what waits behind a file system that hangs is done here, and the thread comes back', async () => {
  const directory = await temporaryDirectory()
  const [fifo, file] = [join(directory, 'fifo'), join(directory, 'file')]
  // Opening it waits for a writer, as a server that is gone lets everybody wait.
  await execa('mkfifo', [fifo])
  await writeFile(file, 'content')
  const thread = await started(400)
  onTestFinished(() => thread.abandon())
  const before = [settled(thread.perform('read', file)), settled(thread.perform('rename', file, `${file}2`))] as const
  const hung = thread.perform('read', fifo)
  const behind = [thread.perform('list', directory), thread.perform('write', join(directory, 'more'), 'x')]
  await Promise.all(behind)
  expect(thread.open).toBe(false)
  // Done, and perhaps answered in time: either the answer or an error that is worth another try.
  const [read, renamed] = await Promise.all(before)
  if (read instanceof Error) expect(read).toMatchObject({ message: expect.stringContaining('no such file') })
  else expect(Buffer.from(read).toString()).toBe('content')
  if (renamed !== undefined) expect(renamed).toMatchObject({ retryable: true, message: expect.stringContaining('hangs') })
  await expect(thread.perform('stat', join(directory, 'more'))).resolves.toMatchObject({ size: 1 })

  await writeFile(fifo, 'at last')
  expect(Buffer.from(await hung).toString()).toBe('at last')
  await until('the thread takes work again', async () => thread.open)
  await expect(thread.perform('stat', `${file}2`)).resolves.toMatchObject({ size: 7 })
  await thread.end()
})

test('a thread that ends leaves nobody waiting', async () => {
  const directory = await temporaryDirectory()
  const fifo = join(directory, 'fifo')
  await execa('mkfifo', [fifo])
  const thread = await started()
  const hung = settled(thread.perform('read', fifo))
  const behind = thread.perform('list', directory)
  // Succeeds as soon as somebody waits at the other end, who then reads until this end is closed.
  const writer = await until('the thread reads', () => open(fifo, constants.O_WRONLY | constants.O_NONBLOCK))
  void thread.abandon()
  await writer.close()
  expect(await hung).toBeInstanceOf(HoldfastError)
  expect(await behind).toHaveLength(1)
  await thread.end()
  await expect(thread.perform('list', directory)).resolves.toHaveLength(1)
})

test('what is asked for just before a look is not taken for late', async () => {
  const directory = await temporaryDirectory()
  const thread = await started(1000)
  onTestFinished(() => thread.abandon())
  for (let place = 0; place < 3; place++) {
    await sleep(5)
    const made = thread.perform('makeDirectory', join(directory, String(place)))
    // The answer has come, and nobody was there to hear it.
    for (const end = performance.now() + 510; performance.now() < end; );
    await made
  }
  expect(await thread.perform('list', directory)).toHaveLength(3)
})

test('what waits when it is told to end is done, though something hangs', async () => {
  const directory = await temporaryDirectory()
  const fifo = join(directory, 'fifo')
  await execa('mkfifo', [fifo])
  const thread = await started(400)
  const hung = settled(thread.perform('read', fifo))
  const behind = thread.perform('list', directory)
  const ended = thread.end()
  expect(await behind).toHaveLength(1)
  await writeFile(fifo, '')
  await hung
  await ended
})

test('a thousand at once are each answered with their own', async () => {
  const directory = await temporaryDirectory()
  const thread = await started()
  const paths = Array.from({ length: 1000 }, (_, place) => join(directory, String(place)))
  await Promise.all(paths.map(path => thread.perform('write', path, path, { lasting: false })))
  const read = await Promise.all(paths.map(path => thread.perform('read', path)))
  expect(read.map(bytes => Buffer.from(bytes).toString())).toEqual(paths)
  await thread.end()
})

test('under load nothing is lost or mixed up, and an error says what it said', async () => {
  const directory = await temporaryDirectory()
  const paths = Array.from({ length: 1500 }, (_, place) => join(directory, String(place)))
  await Promise.all(paths.map(path => perform('write', path, path, { lasting: false })))
  const read = await Promise.all(paths.map(path => perform('read', path)))
  expect(read.map(bytes => Buffer.from(bytes).toString())).toEqual(paths)
  const missing = await Promise.all(paths.map(path => settled(perform('read', `${path}.not`))))
  expect(missing.every(error => error instanceof Error && 'code' in error && error.code === 'ENOENT')).toBe(true)
})

function settled<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
}
