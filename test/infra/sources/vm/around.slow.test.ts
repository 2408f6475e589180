/** What people see of virtual machines on the command line: what exists, how it was captured, and the workspace of an agent. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { makePlace, type Place } from '../../../cli/holdfast.ts'
import { defineGuest, type Guest } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { type Libvirt, startLibvirt } from '../../../services/libvirt.ts'
import { requires } from '../../../services/requires.ts'
import { type Sshd, sshPrograms, startSshd } from '../../../services/sshd.ts'

const Listed = z.array(z.looseObject({ id: z.string(), directory: z.string(), parent: z.string().nullable() }))

requires(
  'libvirt',
  'nats-server',
  ...sshPrograms,
)('virtual machines on the command line', () => {
  let libvirt: Libvirt
  let guest: Guest
  let sshd: Sshd
  let place: Place
  let backups: z.infer<typeof Listed>

  beforeAll(async () => {
    ;[libvirt, sshd, place] = await Promise.all([startLibvirt(), startSshd(), makePlace()])
    guest = await defineGuest(libvirt, {
      name: 'zeus',
      disks: [{ size: 128 * MB }, { size: 64 * MB }, { format: 'raw', size: 64 * MB }],
    })
    await defineGuest(libvirt, { name: 'ares', agent: 'absent', disks: [{ size: 64 * MB }], cdrom: 'empty' })
    await guest.boot()
    await mkdir(join(sshd.home, 'work space'))
    for (const name of ['SOUL.md', 'IDENTITY.md', 'AGENTS.md']) await writeFile(join(sshd.home, 'work space', name), name)
    await writeFile(join(place.path, 'holdfast.yaml'), configuration(libvirt.uri, sshd))
    for (const _ of [1, 2]) expect(await place.holdfast(['up', '--once'])).toMatchObject({ exitCode: 0, stderr: '' })
    backups = Listed.parse(await place.json(['list', 'zeus']))
  }, 120_000)
  afterAll(async () => {
    await Promise.all([libvirt?.stop(), sshd?.stop(), place?.remove()])
  })

  test('discover names every domain, its disks, its agent, and what no source protects', async () => {
    const { stdout, stderr, exitCode } = await place.holdfast(['discover'])
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    expect(stdout.split('\n').map(line => line.replace(/ {2,}/g, ' | ').replace(/\/tmp\S+/, 'PATH'))).toEqual([
      'HOST | KIND | NAME | FOUND | PROTECTED',
      'local | vm | ares | shut off, no channel for a guest agent | no',
      ' | vda | qcow2, 67.1 MB, PATH | no',
      'local | vm | zeus | running, guest agent answers | in part by zeus',
      ' | vda | qcow2, 134 MB, PATH | by zeus',
      ' | vdb | qcow2, 67.1 MB, PATH | left out by zeus',
      ' | vdc | raw, 67.1 MB, PATH | by zeus',
      '',
      '2 of 2 not wholly protected: ares, zeus',
    ])
    const { found } = z
      .object({ found: z.array(z.looseObject({ name: z.string() })) })
      .parse(await place.json(['discover', '--host', 'local']))
    expect(found).toEqual([
      expect.objectContaining({ host: 'local', kind: 'vm', name: 'ares', place: libvirt.uri, sources: [], covered: 'none' }),
      expect.objectContaining({ name: 'zeus', sources: ['zeus'], covered: 'part' }),
    ])
  })

  test('discover says which libvirt does not answer, and fails', async () => {
    const away = configuration('qemu+unix:///system?socket=/nowhere/libvirt-sock', sshd)
    await writeFile(join(place.path, 'away.yaml'), away)
    const { stderr, exitCode } = await place.holdfast(['discover', '--config', 'away.yaml'])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^holdfast: vm on local: .*\n {2}Nobody answers at qemu\+unix/s)
  })

  test('show and report.md say how it was captured: whole first, then what changed', async () => {
    const [full, increment] = backups
    expect(await made(full?.id ?? '')).toMatchObject({
      capture: expect.stringMatching(/^live, incremental: it runs; /),
      extent: 'full',
    })
    const rows = await made(increment?.id ?? '')
    expect(rows.extent).toMatch(new RegExp(`^incremental on ${full?.id}, .*B changed, vdc whole$`))
    expect(rows.frozen).toMatch(/^\d+ ms$/)
    const report = await readFile(join(increment?.directory ?? '', 'report.md'), 'utf8')
    for (const [name, value] of Object.entries(rows)) expect(report).toContain(`| ${name} | ${value} |`)
    expect(report).toContain('| consistency | asked filesystem, achieved filesystem |')
    expect((await place.holdfast(['show', increment?.id ?? ''])).stdout).toContain(rows.extent)
  })

  test('status says the same of the last good one', async () => {
    const { stdout } = await place.holdfast(['status'])
    expect(stdout).toMatch(/^zeus +capture +live, incremental: /m)
    expect(stdout).toMatch(new RegExp(`^ +extent +incremental on ${backups[0]?.id}, `, 'm'))
    expect(stdout).toMatch(/^ +consistency +asked filesystem, achieved filesystem$/m)
  })

  test('the workspace comes along, and was read through', async () => {
    const [{ directory } = { directory: '' }] = backups
    const { stdout } = await execa('tar', ['-tzf', join(directory, 'zeus_workspace.tar.gz')])
    expect(stdout.split('\n').toSorted()).toEqual(['./', './AGENTS.md', './IDENTITY.md', './SOUL.md'])
    expect((await place.holdfast(['verify', 'zeus'])).stdout).toMatch(/workspace: read through/)
  })

  async function made(id: string): Promise<Record<string, string>> {
    const { made } = z.looseObject({ made: z.array(z.tuple([z.string(), z.string()])) }).parse(await place.json(['show', id]))
    return Object.fromEntries(made)
  }
})

function configuration(uri: string, { port, user, identity, knownHosts }: Sshd): string {
  const workspace = { address: '127.0.0.1', port, user, identity, knownHosts, path: '~/work space', required: true }
  return JSON.stringify({
    plans: { nightly: { keep: { last: 5 } } },
    sources: { zeus: { kind: 'vm', plan: 'nightly', uri, excludeDisks: ['vdb'], workspace } },
  })
}
