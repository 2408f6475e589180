import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { locate, rootPlace } from '../../../../infra/find.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { recover } from '../../../../infra/recover.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { requires } from '../../../services/requires.ts'
import { type Sshd, sshPrograms, startSshd } from '../../../services/sshd.ts'
import { resealed, type Stored, storedChain } from './stored.ts'

const host = localHost()
const PATH = '~/my workspace'

requires(
  ...sshPrograms,
  'tar',
  'gzip',
  'qemu-img',
  'qemu-io',
)('the workspace of a backup', () => {
  let sshd: Sshd
  let root: string
  let stored: Stored
  let inGuest: string

  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd?.stop())
  beforeEach(async () => {
    root = await temporaryDirectory()
    stored = await withWorkspace((await storedChain(root))[1])
    inGuest = join(sshd.home, 'my workspace')
    await rm(inGuest, { recursive: true, force: true })
    await mkdir(inGuest)
    await writeFile(join(inGuest, 'SOUL.md'), 'spoilt')
  })

  async function withWorkspace({ directory, manifest }: Stored): Promise<Stored> {
    const files = join(await temporaryDirectory(), 'files')
    await mkdir(join(files, 'memory'), { recursive: true })
    await writeFile(join(files, 'SOUL.md'), 'kind')
    await writeFile(join(files, 'memory', 'today'), 'sunny')
    const artifact = 'zeus_workspace.tar.gz'
    execFileSync('tar', ['-czf', join(directory, artifact), '-C', files, '.'])
    const workspace = { artifact, path: PATH, require: ['SOUL.md'] }
    const artifacts = [...manifest.artifacts, { name: artifact, bytes: 0, sha256: '0'.repeat(64) }]
    return await resealed({ directory, manifest: { ...manifest, artifacts, details: { ...manifest.details, workspace } } })
  }

  async function restore(asked: { to?: string; configured?: boolean; token?: string; port?: number }) {
    const { to, configured = true, token = 'one', port = sshd.port } = asked
    const { user, identity, knownHosts } = sshd
    const options = Options.parse({ workspace: { address: '127.0.0.1', port, user, identity, knownHosts } })
    const warnings: string[] = []
    const restored = await recover({
      located: await locate([rootPlace(host, root)], stored.manifest.id),
      source: configured ? { options, service: undefined, health: undefined } : undefined,
      ...{ host, state: join(root, '.restores'), to, part: 'workspace', token, keepAside: false },
      ...{ signal: new AbortController().signal, progress: () => undefined },
      warn: message => void warnings.push(message),
    })
    return { ...restored, warnings }
  }

  test('is put back into the guest, with what was there kept beside it; said again it tells the same', async () => {
    const { checks, warnings } = await restore({})
    expect(checks.at(-1)).toEqual({ name: 'workspace', result: `${PATH} is back in the guest` })
    expect(warnings).toEqual([expect.stringContaining(`${PATH}.before-one`)])
    expect(await readFile(join(inGuest, 'SOUL.md'), 'utf8')).toBe('kind')
    expect(await readFile(join(inGuest, 'memory', 'today'), 'utf8')).toBe('sunny')
    expect(await readFile(`${inGuest}.before-one/SOUL.md`, 'utf8')).toBe('spoilt')
    await restore({})
    expect((await readdir(sshd.home)).filter(name => name.startsWith('my')).toSorted()).toEqual([
      'my workspace',
      'my workspace.before-one',
    ])
    await rm(`${inGuest}.before-one`, { recursive: true })
  })

  test('a guest that nobody can reach keeps what it has', async () => {
    await expect(restore({ port: 1 })).rejects.toThrow(/rolled back: .*ssh/s)
    expect(await readFile(join(inGuest, 'SOUL.md'), 'utf8')).toBe('spoilt')
  })

  test('is unpacked on the host where a directory is named; where nobody says how to reach the guest, that is the advice', async () => {
    await expect(restore({ configured: false })).rejects.toMatchObject({ hint: expect.stringContaining('--to DIRECTORY') })
    const to = join(root, 'unpacked')
    expect(await restore({ configured: false, to })).toMatchObject({ targets: [to], aside: [] })
    expect(await readFile(join(to, 'memory', 'today'), 'utf8')).toBe('sunny')
    await expect(restore({ to, token: 'two' })).rejects.toThrow(`${to} is there already`)
  })
})
