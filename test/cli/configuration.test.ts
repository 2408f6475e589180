import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { available } from '../services/requires.ts'
import { makePlace, type Place } from './holdfast.ts'

let place: Place
beforeEach(async () => {
  place = await makePlace()
})
afterEach(() => place.remove())

test.skipIf(!available('nats-server', 'rsync', 'tar', 'zstd'))(
  'init writes a configuration that check accepts, and never a second time',
  async () => {
    expect(await place.holdfast(['init'])).toMatchObject({ exitCode: 0, stderr: '' })
    const written = await readFile(join(place.path, 'holdfast.yaml'), 'utf8')
    expect(written).toContain('# A SQLite database')
    expect(await place.holdfast(['check'])).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: expect.stringMatching(/tar on local +ok +\d/),
    })
    const again = await place.holdfast(['init'])
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('holdfast.yaml is there already') })
    expect(await readFile(join(place.path, 'holdfast.yaml'), 'utf8')).toBe(written)
  },
)

test('without a configuration it says how to get one', async () => {
  const { exitCode, stdout, stderr } = await place.holdfast(['status'])
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
  expect(stderr).toBe(
    'holdfast: holdfast.yaml:1:1 there is no such file\n  Write one with: holdfast init. Or name another with --config FILE.',
  )
})

test('every mistake at once, each with its line and column', async () => {
  await writeFile(join(place.path, 'bad.yaml'), 'sources:\n  a: { kind: fils, plan: x }\nplans: {}\nvalts: {}\n')
  const { exitCode, stderr } = await place.holdfast(['check', '--config', 'bad.yaml'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('bad.yaml:2:14 sources.a.kind: unknown kind "fils"; did you mean "files"?')
  expect(stderr).toContain('bad.yaml:4:1 valts: unknown key; did you mean "vaults"?')
  expect(stderr).not.toContain('    at ')
})

test('the same as JSON', async () => {
  await writeFile(join(place.path, 'holdfast.yaml'), 'plans: [\n')
  const { exitCode, stdout } = await place.holdfast(['check', '--json'])
  expect(exitCode).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, problems: [{ file: 'holdfast.yaml', line: 2 }] })
})

test('check finds what the configuration names and is not there', async () => {
  const lost =
    'sources: { lost: { kind: files, plan: p, paths: [./lost] } }\nplans: { p: { keep: { last: 1 }, vaults: [nas] } }\n'
  await writeFile(join(place.path, 'holdfast.yaml'), `${lost}vaults: { nas: { kind: rsync, path: ./mnt/nas } }\n`)
  const { exitCode, stderr } = await place.holdfast(['check'])
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/holdfast: source lost: .*\/lost.*\n +Correct `paths`/)
  expect(stderr).toMatch(/holdfast: vault nas: .*\/mnt\/nas is not there\n +Mount/)
})

test('what was typed wrong is explained, with what was probably meant', async () => {
  expect(await place.holdfast(['lst'])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(Did you mean list?)') })
  expect(await place.holdfast(['list', '--jsn'])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('(Did you mean --json?)'),
  })
  expect(await place.holdfast(['hold', 'x'])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--reason') })
})

test('help says what exit codes mean, and where --config belongs', async () => {
  const { exitCode, stdout } = await place.holdfast(['--help'])
  expect(exitCode).toBe(0)
  expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 bad configuration or usage, 3 nothing running')
  expect((await place.holdfast(['list', '--help'])).stdout).toContain('--config <file>')
})

test('a stack is shown to those who ask for it', async () => {
  const { stderr } = await place.holdfast(['status'], { env: { HOLDFAST_DEBUG: '1' } })
  expect(stderr).toContain('    at ')
})

test('the chain, as text, picture, JSON and contract', async () => {
  expect((await place.holdfast(['chain'])).stdout).toMatch(/^plan\n {2}takes +tick\n/)
  expect((await place.holdfast(['chain', '--mermaid'])).stdout).toMatch(/^flowchart LR\n/)
  expect(await place.json(['chain'])).toContainEqual(expect.objectContaining({ name: 'verify', takes: ['export.done'] }))
  const contract: unknown = JSON.parse((await place.holdfast(['chain', '--contract'])).stdout)
  expect(contract).toMatchObject({ asyncapi: '3.0.0', channels: { 'export.done': {} } })
})

test('the schema is a JSON Schema', async () => {
  const { stdout } = await place.holdfast(['schema'])
  expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: { sources: {}, plans: {} } })
})

test.each(['bash', 'zsh', 'fish'])('completion for %s', async shell => {
  const { exitCode, stdout } = await place.holdfast(['completion', shell])
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining(`${shell} completion for holdfast`) })
})

test('completion knows commands and the sources of the configuration', async () => {
  await writeFile(join(place.path, 'holdfast.yaml'), 'sources: { letters: { kind: files }, notes: { kind: sqlite } }')
  expect((await place.holdfast(['complete', '--', 'res'])).stdout).toMatch(/^restore\t/)
  expect((await place.holdfast(['complete', '--', 'run', 'no'])).stdout).toMatch(/^notes\tsqlite\n/)
})
