import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VerificationFailed } from '../../infra/errors.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { restoreBackup } from '../../infra/restore.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { type Setting, setting } from './restore/setting.ts'

const host = localHost()
const before = { data: 'old', 'data-wal': 'old journal' }
const sick = { http: undefined, command: ['false'] satisfies [string], within: 1 }

test('what is restored takes the place of what was there, which goes once all is well', async () => {
  const { restore, files, starts, data } = await setting(await temporaryDirectory())
  const restored = await restoreBackup(restore({ health: { ...sick, command: ['grep', 'new', data], within: 5000 } }))
  expect(restored).toMatchObject({ targets: [data], aside: [] })
  expect(restored.checks.map(({ name }) => name)).toEqual(['checksums', 'plain', 'health'])
  expect(await files()).toEqual({ data: 'new' })
  expect(await starts()).toEqual(['new'])
})

test('what was there is kept where it was asked for, and a second run tells the same', async () => {
  const { restore, files, starts, data } = await setting(await temporaryDirectory())
  const restored = await restoreBackup(restore({ keepAside: true }))
  expect(restored.aside.toSorted()).toEqual([`${data}-wal.before-request1`, `${data}.before-request1`])
  await writeFile(data, 'written since')
  expect(await restoreBackup(restore({ keepAside: true }))).toEqual(restored)
  expect(await files()).toMatchObject({ data: 'written since', 'data.before-request1': 'old' })
  expect(await starts()).toEqual(['new'])
})

test('what was there is kept where no health proves the new data, with how to remove it; not for another place', async () => {
  const root = await temporaryDirectory()
  const { restore, files, data, warnings } = await setting(root, { quiet: true })
  expect(await restoreBackup(restore())).toMatchObject({ aside: [`${data}.before-request1`] })
  expect(await files()).toEqual({ data: 'new', 'data.before-request1': 'old' })
  expect(warnings).toEqual([expect.stringContaining(`rm -r -- ${data}.before-request1`)])
  const to = join(root, 'elsewhere')
  for (const token of ['a', 'b']) expect(await restoreBackup(restore({ to, token }))).toMatchObject({ aside: [] })
})

test('a service that does not become well gets its old data back, byte for byte', async () => {
  const { restore, files, starts } = await setting(await temporaryDirectory())
  const failed = restoreBackup(restore({ health: sick }))
  await expect(failed).rejects.toMatchObject({
    message: expect.stringMatching(/rolled back: false was not well within 1ms/),
    retryable: false,
  })
  expect(await files()).toEqual(before)
  expect(await starts()).toEqual(['new', 'oldold journal'])
  await expect(restoreBackup(restore({ health: undefined })), 'a second run does not try again').rejects.toThrow('rolled back')
  expect(await starts()).toHaveLength(2)
})

test.each([
  ['stop', { stop: ['false'] }, 'oldold journal'],
  ['start', { start: ['false'] }, undefined],
] as const)('a service that does not %s gets its old data back', async (_, broken, start) => {
  const { restore, files, starts } = await setting(await temporaryDirectory())
  const { service } = restore()
  if (!service) throw new Error('the setting has a service')
  const commands = {
    stop: [...('stop' in broken ? broken.stop : service.stop)],
    start: [...('start' in broken ? broken.start : service.start)],
  }
  const [stop, begin] = [commands.stop, commands.start].map(([first = '', ...rest]): [string, ...string[]] => [first, ...rest])
  if (!stop || !begin) throw new Error('both are lists')
  await expect(restoreBackup(restore({ service: { stop, start: begin } }))).rejects.toThrow(
    /rolled back: false on local failed with exit code 1/,
  )
  expect(await files()).toEqual(before)
  expect((await starts()).at(-1)).toBe(start)
})

test('a damaged backup is refused before anything is touched', async () => {
  const root = await temporaryDirectory()
  const { restore, files, starts } = await setting(root)
  const { backup } = restore()
  await writeFile(join(backup.directory, 'data.bin'), 'NEW')
  const failed = restoreBackup(restore())
  await expect(failed).rejects.toThrow(VerificationFailed)
  await expect(failed).rejects.toThrow(/data\.bin has SHA-256/)
  expect(await files()).toEqual(before)
  expect(await starts()).toEqual([])
  expect(await readdir(root)).not.toContain('state')
})

test('restored to another place, the service is left alone', async () => {
  const root = await temporaryDirectory()
  const { restore, files, starts } = await setting(root)
  const to = join(root, 'elsewhere')
  expect(await restoreBackup(restore({ to, health: sick }))).toMatchObject({ targets: [to] })
  expect(await readFile(to, 'utf8')).toBe('new')
  expect(await files()).toEqual(before)
  expect(await starts()).toEqual([])
})

test('the journal is for nobody else to read, and its token is bound to its backup', async () => {
  const root = await temporaryDirectory()
  const { restore } = await setting(root)
  await restoreBackup(restore())
  expect((await stat(join(root, 'state', 'restore-request1.json'))).mode & 0o777).toBe(0o600)
  const { backup } = restore()
  const other = { ...backup, manifest: { ...backup.manifest, id: 'zeus-20261122T020000Z' } }
  await expect(restoreBackup(restore({ backup: other }))).rejects.toThrow(/belongs to a restore of zeus-20261121T020000Z/)
  await expect(restoreBackup(restore({ token: '../x' }))).rejects.toThrow(/cannot name a restore/)
})

test('while a restore is interrupted, another one to the same place is refused and leaves nothing', async () => {
  const { restore, files } = await setting(await temporaryDirectory())
  await interrupt(restore)
  await expect(restoreBackup(restore({ token: 'request2' }))).rejects.toMatchObject({
    hint: expect.stringMatching(/holdfast restore zeus-\d{8}T\d{6}Z$/),
  })
  expect(Object.keys(await files())).not.toContain('data.staged-request2')
  const health = { ...sick, command: ['true'] satisfies [string], within: 5000 }
  await restoreBackup(restore({ health }))
  await restoreBackup(restore({ health, token: 'request2' }))
  expect(await files()).toEqual({ data: 'new' })
})

test('what was staged and has vanished meanwhile is not taken for restored', async () => {
  const { restore, files, data } = await setting(await temporaryDirectory())
  await interrupt(restore)
  await rm(`${data}.staged-request1`)
  await expect(restoreBackup(restore())).rejects.toThrow(/has vanished/)
  expect(await files()).toEqual(before)
})

/** Begins a restore that ends just before its first move. */
async function interrupt(restore: Setting['restore']): Promise<void> {
  const abort = new AbortController()
  const rename = async () => {
    abort.abort(new Error('stopped'))
    abort.signal.throwIfAborted()
  }
  await expect(restoreBackup(restore({ host: { ...host, rename }, signal: abort.signal }))).rejects.toThrow('stopped')
}
