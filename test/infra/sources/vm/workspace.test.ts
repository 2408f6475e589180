import { chmod, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { VerificationFailed } from '../../../../infra/errors.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { checkWorkspace, fetchWorkspace, type GuestState } from '../../../../infra/sources/vm/workspace.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { requires } from '../../../services/requires.ts'
import { cutAfter, type Sshd, sshPrograms, startSshd } from '../../../services/sshd.ts'
import { rejection } from '../../hosts/processes.ts'

const ARTIFACT = 'zeus_workspace.tar.gz'
const soul = ['SOUL.md', 'IDENTITY.md', 'AGENTS.md']

requires(
  ...sshPrograms,
  'tar',
  'gzip',
)('the workspace of a guest', () => {
  const host = localHost()
  let sshd: Sshd
  let directory: string

  beforeAll(async () => {
    sshd = await startSshd()
    await makeWorkspace(join(sshd.home, '.openclaw/workspace'))
  })
  afterAll(() => sshd?.stop())
  beforeEach(async () => {
    directory = await temporaryDirectory()
  })

  async function fetched(
    given: Record<string, unknown> = {},
    state: GuestState = 'running',
    signal = new AbortController().signal,
  ) {
    const login = { address: '127.0.0.1', port: sshd.port, user: sshd.user, identity: sshd.identity, knownHosts: sshd.knownHosts }
    const options = Options.parse({ workspace: { ...login, ...given } })
    const warnings: string[] = []
    const work = { host, source: 'zeus', directory, options, signal, warn: (message: string) => void warnings.push(message) }
    return { ...(await fetchWorkspace(work, state)), warnings }
  }

  async function unpacked(): Promise<string> {
    const to = await temporaryDirectory()
    await execa('tar', ['-xzf', join(directory, ARTIFACT), '-C', to])
    return to
  }

  test('comes as it is, and is read through', async () => {
    const { artifacts, workspace, workspaceProblem, warnings } = await fetched()
    expect(artifacts).toEqual([{ name: ARTIFACT }])
    expect(workspace).toEqual({ artifact: ARTIFACT, path: '~/.openclaw/workspace', require: soul })
    expect({ workspaceProblem, warnings }).toEqual({ workspaceProblem: undefined, warnings: [] })
    expect((await stat(join(directory, ARTIFACT))).mode & 0o777).toBe(0o600)
    await execa('diff', ['-r', join(sshd.home, '.openclaw/workspace'), await unpacked()])
    expect(await checkWorkspace(host, directory, { workspace })).toEqual([
      {
        name: 'workspace',
        result: expect.stringMatching(/^read through, \d+ bytes unpacked, SOUL.md IDENTITY.md AGENTS.md in it$/),
      },
    ])
  })

  test.each([
    `with spaces and 'quotes' and "quotes"`,
    '-C',
    '$(touch pwned) `touch pwned`; touch pwned & \\',
    'über*?[a]\nof two lines~',
  ])('lies in a directory called %j', async name => {
    for (const path of [join(sshd.home, name), `~/${name}`]) {
      await makeWorkspace(join(sshd.home, name))
      expect((await fetched({ path })).warnings).toEqual([])
      await execa('diff', ['-r', join(sshd.home, name), await unpacked()])
    }
    expect(await readdir(sshd.home)).not.toContain('pwned')
    await rm(join(sshd.home, name), { recursive: true })
  })

  test('has its required files by odd names too', async () => {
    const path = join(sshd.home, 'odd')
    await mkdir(join(path, 'notes'), { recursive: true })
    for (const name of [`it's "one" *.md`, '-x', 'notes/å\\b']) await writeFile(join(path, name), 'x')
    const require = [`it's "one" *.md`, '-x', 'notes/å\\b', 'notes']
    expect((await fetched({ path, require })).warnings).toEqual([])
    expect((await fetched({ path, require: ['no [a] *'] })).warnings).toEqual([expect.stringContaining('it has no no [a] *')])
  })

  describe('that does not come whole is not kept, and says why', () => {
    test.each([
      { what: 'a file it has to have is not there', given: { require: ['SOUL.md', 'HEART.md'] }, why: /it has no HEART\.md/ },
      { what: 'there is no such directory', given: { path: '~/nowhere' }, why: /nowhere.*No such file/ },
      {
        what: 'the user is another',
        given: { user: 'holdfast-nobody' },
        why: /Permission denied.*authorized_keys of holdfast-nobody/s,
      },
      { what: 'the address does not exist', given: { address: 'guest.invalid' }, why: /Is the name right/ },
    ])('$what', async ({ given, why }) => {
      const { artifacts, workspace, workspaceProblem, warnings } = await fetched(given)
      expect({ artifacts, workspace, workspaceProblem }).toEqual({ artifacts: [], workspace: null, workspaceProblem: undefined })
      expect(warnings).toEqual([expect.stringMatching(why)])
      expect(await readdir(directory)).toEqual([])
    })

    test('the key of the guest is another one', async () => {
      const { warnings } = await fetched({ knownHosts: sshd.wrongKnownHosts })
      expect(warnings).toEqual([expect.stringMatching(/shows another key than before.*ssh-keygen -R \[127\.0\.0\.1\]/)])
      expect(await readdir(directory)).toEqual([])
    })

    test('the key of the guest is not known', async () => {
      const { warnings } = await fetched({ knownHosts: '/dev/null' })
      expect(warnings).toEqual([expect.stringMatching(/is not known on this host.*ssh-keyscan/)])
    })

    test('the connection breaks in mid-stream', async () => {
      await using cutter = await cutAfter(sshd.port, 300_000)
      const { warnings } = await fetched({ port: cutter.port })
      expect(warnings).toEqual([expect.stringContaining('ssh on local failed with exit code 255')])
      expect(await readdir(directory)).toEqual([])
    })

    test('the guest does not run', async () => {
      expect((await fetched({}, 'off')).warnings).toEqual([expect.stringContaining('the guest does not run')])
    })
  })

  test('a required one that fails leaves the disks, and verify names what is not there', async () => {
    const { artifacts, workspace, workspaceProblem = '' } = await fetched({ path: '~/nowhere', required: true })
    expect(artifacts).toEqual([])
    expect(workspaceProblem).toMatch(/nowhere/)
    expect(await checkWorkspace(host, directory, { workspace, workspaceProblem })).toEqual([
      { name: 'workspace', result: `REQUIRED AND NOT HERE: ${workspaceProblem}` },
    ])
  })

  test('a guest that is booting is waited for, one that runs is not', async () => {
    await using cutter = await cutAfter(sshd.port, 0, 0, Number.POSITIVE_INFINITY)
    expect((await fetched({ port: cutter.port })).warnings).toEqual([expect.stringMatching(/Does \[127\.0\.0\.1\]:\d+ run/)])
    expect((await fetched({ port: cutter.port }, 'booting')).warnings).toEqual([])
  })

  test('an abort ends it at once and is no warning', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const fetching = fetched({}, 'running', controller.signal)
    controller.abort(reason)
    await expect(fetching).rejects.toBe(reason)
    expect(await readdir(directory)).toEqual([])
  })

  test('a file that may not be read is named, and the rest is kept', async () => {
    const path = join(sshd.home, 'locked')
    await makeWorkspace(path)
    await writeFile(join(path, 'secret'), 'x')
    await chmod(join(path, 'secret'), 0)
    const { warnings, workspace } = await fetched({ path })
    // Root may read everything.
    if (process.getuid?.() !== 0) expect(warnings).toEqual([expect.stringMatching(/secret could not be read/)])
    expect(workspace).not.toBeNull()
  })

  test('a damaged archive is found', async () => {
    const { workspace } = await fetched()
    const file = join(directory, ARTIFACT)
    await truncate(file, (await stat(file)).size - 1000)
    await rejection(VerificationFailed, checkWorkspace(host, directory, { workspace }))
    await rm(file)
    await rejection(VerificationFailed, checkWorkspace(host, directory, { workspace }))
  })
})

async function makeWorkspace(path: string): Promise<void> {
  await mkdir(join(path, 'memory'), { recursive: true })
  for (const name of soul) await writeFile(join(path, name), `# ${name}\n`)
  await writeFile(join(path, 'memory', 'bulk'), Buffer.alloc(1_000_000, 'what it learned, '))
}
