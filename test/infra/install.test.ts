import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CommandFailed } from '../../infra/errors.ts'
import { installTools, type Machine, missingTools, packagesOf } from '../../infra/install.ts'

let directory: string
let machine: Machine
let said: string[]
const say = (line: string) => said.push(line)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-install-'))
  await mkdir(join(directory, 'bin'))
  machine = { root: true, debian: true, path: join(directory, 'bin') }
  said = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** An apt-get that writes down what it is asked, and then does as told. */
async function giveApt(script: string): Promise<void> {
  const path = join(directory, 'bin', 'apt-get')
  await writeFile(path, `#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> ${directory}/asked\n${script}\n`)
  await chmod(path, 0o755)
}

test('finds what is there, and names what is not in the order asked', async () => {
  await writeFile(join(directory, 'bin', 'rsync'), '', { mode: 0o755 })
  await writeFile(join(directory, 'bin', 'zstd'), '', { mode: 0o644 })
  expect(missingTools(['zstd', 'rsync', 'sqlite3'], machine)).toEqual(['zstd', 'sqlite3'])
})

test('a package is asked for once', () => {
  expect(packagesOf(['setfacl', 'getfacl', 'rsync'])).toEqual(['acl', 'rsync'])
})

test('nothing missing, nothing done', async () => {
  await installTools([], { say, machine })
  expect(said).toEqual([])
})

test('as root on Debian: says what it will do, then installs', async () => {
  await giveApt(`case "$*" in *install*) : > ${directory}/bin/rsync; /bin/chmod 755 ${directory}/bin/rsync;; esac`)
  await installTools(['rsync'], { say, machine })
  expect(said).toEqual(['Not on this machine: rsync. Installing with apt-get: rsync.'])
  expect((await readFile(join(directory, 'asked'), 'utf8')).trim().split('\n')).toEqual([
    'noninteractive -o DPkg::Lock::Timeout=120 update',
    'noninteractive -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends rsync',
  ])
})

test('what apt said last comes with its failure, and what to do', async () => {
  await giveApt('echo "E: Unable to locate package zstd" >&2; exit 100')
  const failure = await installTools(['zstd'], { say, machine }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CommandFailed)
  expect(failure).toMatchObject({
    message: expect.stringContaining('E: Unable to locate package zstd'),
    hint: expect.stringContaining('apt-get install --no-install-recommends zstd'),
  })
  expect(said.at(-1)).toContain('apt-get update failed')
})

test('an apt that claims success without the program is not believed', async () => {
  await giveApt('exit 0')
  await expect(installTools(['zstd'], { say, machine })).rejects.toThrow('not on this machine: zstd')
})

test('without root it says exactly what to install, and touches nothing', async () => {
  await giveApt('exit 0')
  const failure = installTools(['nats-server', 'rsync'], { say, machine: { ...machine, root: false } })
  await expect(failure).rejects.toMatchObject({
    message: 'not on this machine: nats-server, rsync',
    hint: expect.stringContaining('apt-get install --no-install-recommends nats-server rsync'),
  })
  expect(said).toEqual([])
})

test('elsewhere than on Debian it does not speak of apt', async () => {
  const failure = installTools(['nats-server'], { say, machine: { ...machine, debian: false } })
  await expect(failure).rejects.toMatchObject({ hint: expect.not.stringContaining('apt') })
})
