import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
/** Makes the Node that reads it say that it is an old one. What it starts is not told. */
const pretend = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})'
const program = `
  if (process.argv[2] === 'wait') {
    process.on('SIGTERM', () => process.exit(42))
    setInterval(() => {}, 1000)
  }
  process.stdout.write(JSON.stringify({ node: process.versions.node, args: process.argv.slice(2) }) + '\\n')
  if (process.argv[2] === 'exit') process.exit(Number(process.argv[3]))
  if (process.argv[2] === 'kill') process.kill(process.pid, process.argv[3])
`
let clone: string

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'holdfast-launcher-'))
  await mkdir(join(clone, 'cli'))
  await writeFile(join(clone, 'package.json'), '{"type":"module"}')
  await copyFile(join(root, 'cli', 'holdfast.js'), join(clone, 'cli', 'holdfast.js'))
  await writeFile(join(clone, 'cli', 'main.ts'), `const typed: string = 'source'\nvoid typed\n${program}`)
})
afterEach(() => rm(clone, { recursive: true, force: true }))

function onOldNode(args: readonly string[] = [], cwd = clone) {
  return execa(process.execPath, ['--import', pretend, join(clone, 'cli', 'holdfast.js'), ...args], {
    reject: false,
    cwd,
    timeout: 20_000,
  })
}

function giveNodePackage(directory: string) {
  return mkdir(join(directory, 'node_modules')).then(() =>
    symlink(join(root, 'node_modules', 'node'), join(directory, 'node_modules', 'node')),
  )
}

test('a clone runs its sources', async () => {
  const { stdout } = await execa(process.execPath, [join(clone, 'cli', 'holdfast.js'), 'status', '--json'])
  expect(JSON.parse(stdout)).toEqual({ node: process.versions.node, args: ['status', '--json'] })
})

test('what is installed runs what was built', async () => {
  await mkdir(join(clone, 'dist', 'cli'), { recursive: true })
  await writeFile(join(clone, 'dist', 'cli', 'main.js'), program)
  await rm(join(clone, 'cli', 'main.ts'))
  const { stdout } = await execa(process.execPath, [join(clone, 'cli', 'holdfast.js'), 'check'])
  expect(JSON.parse(stdout)).toMatchObject({ args: ['check'] })
})

test('on an old Node the one of the package "node" takes over, with arguments and exit code', async () => {
  await giveNodePackage(clone)
  const { exitCode, stdout } = await onOldNode(['exit', '7', 'two words', '$HOME'])
  expect(exitCode).toBe(7)
  expect(JSON.parse(stdout).node).toBe(await versionOfNodePackage())
  expect(JSON.parse(stdout).args).toEqual(['exit', '7', 'two words', '$HOME'])
})

test('the package "node" is also found where the person stands', async () => {
  const elsewhere = join(clone, 'elsewhere')
  await mkdir(elsewhere)
  await giveNodePackage(elsewhere)
  expect((await onOldNode([], elsewhere)).exitCode).toBe(0)
})

test('a signal goes through, and its end comes back', async () => {
  await giveNodePackage(clone)
  const waiting = onOldNode(['wait'])
  await once(waiting.stdout, 'data')
  waiting.kill('SIGTERM')
  expect((await waiting).exitCode).toBe(42)
  expect((await onOldNode(['kill', 'SIGKILL'])).signal).toBe('SIGKILL')
})

test('without a Node that is new enough it says what to do', async () => {
  const { exitCode, stderr, stdout } = await onOldNode()
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toContain('needs Node 24 or newer, and this is Node 20.20.2')
  expect(stderr).toContain('npm ci')
})

async function versionOfNodePackage(): Promise<unknown> {
  return JSON.parse(await readFile(join(root, 'node_modules', 'node', 'package.json'), 'utf8')).version
}
