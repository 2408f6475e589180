/** Directory trees with everything that a careless backup loses. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'

/** A path whose last name is bytes. */
export function bytesPath(directory: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')])
}

/** Names, holes, links, devices, modes, owners, times, ACLs, attributes. Needs root. */
export async function awkwardTree(tree: string): Promise<void> {
  await mkdir(join(tree, 'sub'), { recursive: true })
  for (const name of [
    'plain',
    '-rf',
    '--help',
    'new\nline',
    'back\\slash',
    'tab\t',
    ' space ',
    '*',
    'ünï 💾',
    'n'.repeat(255),
    'sub/a: b',
  ])
    await writeFile(join(tree, name), `this is ${name}`)
  await writeFile(bytesPath(tree, 'caf\xe9'), 'latin')
  await mkdir(join(tree, ...Array.from({ length: 30 }, () => 'deep'.repeat(30))), { recursive: true })
  const run = (command: string, ...argv: string[]) => execa(command, argv, { cwd: tree })
  await run('ln', 'plain', 'hard')
  await run('ln', '-s', '/nowhere', 'dangling')
  await run('mkfifo', 'pipe')
  await run('mknod', 'null', 'c', '1', '3')
  await run('mknod', 'disk', 'b', '7', '99')
  await run('truncate', '--size=20M', 'holes')
  await run('dd', 'if=/dev/urandom', 'of=holes', 'bs=4096', 'count=1', 'seek=2000', 'conv=notrunc', 'status=none')
  await run('setfattr', '-n', 'user.colour', '-v', 'blue', 'plain')
  await run('setfacl', '-m', 'u:1234:r', 'ünï 💾')
  await run('setfacl', '-d', '-m', 'u:77:rwx', 'sub')
  await run('setcap', 'cap_net_raw+ep', ' space ')
  await run('chown', '4242:4343', 'sub')
  await run('chmod', '4755', ' space ')
  await run('chmod', '1777', 'sub')
  await run('touch', '-h', '-d', '2001-02-03 04:05:06.123456789', 'dangling', './-rf')
}

/** Everything about a tree that has to survive, as text: one line for each entry, sums, ACLs and attributes. */
export async function portrait(tree: string): Promise<string> {
  const env = { LC_ALL: 'C', TZ: 'UTC' }
  const run = async (command: string, ...argv: string[]) =>
    (await execa(command, argv, { cwd: tree, env, encoding: 'latin1' })).stdout
  const fields = '%y %m %U:%G %n %T+ %l %p\\0'
  const texts = await Promise.all([
    run('find', '.', '!', '-type', 's', '!', '-type', 'd', '-printf', `%s ${fields}`),
    run('find', '.', '-type', 'd', '-printf', fields),
    run('find', '.', '-type', 'f', '-exec', 'sha256sum', '-z', '{}', '+'),
    run('find', '.', '(', '-type', 'b', '-o', '-type', 'c', ')', '-exec', 'stat', '--format=%t:%T %n', '{}', '+'),
    run('find', '.', '-type', 'f,d', '-exec', 'getfattr', '--dump', '--match=-', '{}', '+'),
  ])
  // Directories before their content changed size and link count: only what they are counts.
  return texts
    .map(text =>
      text
        .split(/\0|\n\n/)
        .sort()
        .join('\n'),
    )
    .join('\n')
}

/** Bytes on disk. */
export async function allocated(path: string): Promise<number> {
  return Number.parseInt((await execa('du', ['--block-size=1', path])).stdout, 10)
}

/** A program that listens at a path until the test ends. */
export async function listenAt(path: string): Promise<void> {
  const server = createServer().listen(path)
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => void server.close())
}
