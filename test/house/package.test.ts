import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter)
let place: string

/** Built, packed and installed as somebody would who has never seen the sources. */
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'holdfast-package-'))
  const home = join(place, 'home')
  await mkdir(home)
  await writeFile(join(home, 'package.json'), '{"private":true}')
  const packed = await npm(['pack', '--json', '--pack-destination', place], root)
  await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', '--omit=dev', join(place, nameOf(packed))], home)
}, 180_000)
afterAll(() => rm(place, { recursive: true, force: true }))

async function npm(args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await execa('npm', args, { cwd, env: { PATH }, timeout: 170_000 })
  return stdout
}

function nameOf(packed: string): string {
  const match = /"filename":\s*"([^"]+)"/.exec(packed)
  if (!match?.[1]) throw new Error(`npm pack named no file: ${packed}`)
  return match[1]
}

function holdfast(args: readonly string[]) {
  return execa(join(place, 'home', 'node_modules', '.bin', 'holdfast'), args, {
    cwd: place,
    env: { PATH },
    reject: false,
    timeout: 60_000,
  })
}

test('the installed program says its version', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const { exitCode, stdout, stderr } = await holdfast(['--version'])
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: version, stderr: '' })
})

test('the installed program accepts a good configuration', async () => {
  await mkdir(join(place, 'letters'))
  await writeFile(join(place, 'letters', 'one.txt'), 'one')
  const file = join(place, 'good.yaml')
  await writeFile(file, configuration('files'))
  const { exitCode, stderr } = await holdfast(['check', '--config', file])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
})

test('the installed program refuses a bad configuration, and names what is wrong', async () => {
  const file = join(place, 'bad.yaml')
  await writeFile(file, configuration('fils'))
  const { exitCode, stderr } = await holdfast(['check', '--config', file])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('fils')
})

test('the package carries no sources, tests or benches', async () => {
  const { stdout } = await execa('find', [
    join(place, 'home', 'node_modules', 'holdfast'),
    '-name',
    '*.ts',
    '-o',
    '-name',
    'test',
    '-o',
    '-name',
    'bench',
  ])
  expect(stdout).toBe('')
})

function configuration(kind: string): string {
  return `
hosts: { local: { root: ./backups } }
plans: { nightly: { schedule: "0 2 * * *", keep: { daily: 7 }, vaults: [shelf] } }
sources: { letters: { kind: ${kind}, plan: nightly, paths: [./letters] } }
vaults: { shelf: { kind: rsync, path: ./shelf } }
`
}
