import { expect, describe as suite, test } from 'vitest'
import type { Manifest } from '../../../../infra/manifest.ts'
import { describe } from '../../../../infra/sources/vm/describe.ts'
import { hadAgent } from '../../../../infra/sources/vm/details.ts'
import { captures } from '../../../../infra/sources/vm/discover.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { makeBackup } from '../../../services/backup.ts'
import { temporaryDirectory } from '../../../services/directory.ts'

suite('which disks of a domain a source captures', () => {
  const place = 'qemu:///system'
  const parts = ['vda', 'vdb', 'vdc'].map(name => ({ name, description: '' }))
  const zeus = {
    name: 'zeus',
    place,
    description: '',
    parts: [...parts, { name: 'vdd', description: '', obstacle: 'it is read only' }],
  }

  test.each([
    { what: 'all that can be', source: 'zeus', options: {}, captured: ['vda', 'vdb', 'vdc'] },
    { what: 'by the name of the domain', source: 'night', options: { domain: 'zeus' }, captured: ['vda', 'vdb', 'vdc'] },
    { what: 'but the excluded', source: 'zeus', options: { excludeDisks: ['vda', 'vdc'] }, captured: ['vdb'] },
    { what: 'none in its own disk', source: 'zeus', options: { mode: 'snapshot' }, captured: [] },
    { what: 'nothing of another domain', source: 'zeus', options: { domain: 'ares' }, captured: undefined },
    { what: 'nothing of another libvirt', source: 'zeus', options: { uri: 'qemu:///session' }, captured: undefined },
  ])('$what', ({ source, options, captured }) => {
    expect(captures(zeus, source, Options.parse(options))).toEqual(captured)
  })
})

test.each([
  { what: 'one that answered, and was shut down', answered: true, frozen: null, had: true },
  { what: 'one that did not answer', answered: false, frozen: null, had: false },
  { what: 'an older one that froze', answered: undefined, frozen: 41, had: true },
  { what: 'an older one that did not', answered: undefined, frozen: null, had: false },
])('an agent is to answer again: $what', ({ answered, frozen, had }) => {
  expect(hadAgent({ ...(answered !== undefined && { answered }), frozen })).toBe(had)
})

suite('how a domain was captured, for people', () => {
  const parent = 'zeus-20261120T020000Z'
  const image = { artifact: 'zeus_vda.qcow2', format: 'qcow2', capacity: 1, source: '/vda', sourceFormat: 'qcow2' }
  const details = {
    ...{ uri: 'qemu:///system', domain: 'zeus', uuid: 'x', mode: 'live', method: 'incremental', why: 'it runs', ran: true },
    ...{ xml: 'zeus.xml', nvram: null, tpm: null, workspace: null, frozen: 41, downtime: null, dirty: 22_000_000, inside: null },
    images: [
      { ...image, target: 'vda', parent: '../a' },
      { ...image, target: 'vdb', parent: null },
    ],
  }
  const rowsOf = async (given: Partial<Manifest>) => {
    const { manifest } = await makeBackup(await temporaryDirectory())
    return Object.fromEntries(describe({ ...manifest, kind: 'vm', parent, details, ...given }))
  }

  test('an increment names its parent, what changed, and the disks that are whole all the same', async () => {
    expect(await rowsOf({})).toEqual({
      capture: 'live, incremental: it runs',
      disks: 'vda 1 B qcow2; vdb 1 B qcow2',
      extent: `incremental on ${parent}, 22 MB changed, vdb whole`,
      frozen: '41 ms',
    })
  })

  test('one that was off has a downtime and was not frozen', async () => {
    const offline = { ...details, mode: 'offline', frozen: null, downtime: 6049, dirty: null }
    expect(await rowsOf({ parent: null, details: offline })).toEqual({
      capture: 'offline, incremental: it runs',
      disks: 'vda 1 B qcow2; vdb 1 B qcow2',
      extent: 'full',
      downtime: '6.0 s',
    })
  })

  test('a live one that was not frozen, without the workspace it has to have, says both', async () => {
    const rows = await rowsOf({ details: { ...details, frozen: null, workspaceProblem: 'the workspace is away' } })
    expect(rows).toMatchObject({ frozen: 'not at all', workspace: 'the workspace is away' })
  })

  test('what was found before it began is stated', async () => {
    const before = {
      expected: 22e6,
      free: 60e9,
      omitted: [{ target: 'vdc', why: 'it is read only' }],
      encrypted: [],
      checkpoints: [],
    }
    expect(await rowsOf({ details: { ...details, before } })).toMatchObject({
      disks: 'vda 1 B qcow2; vdb 1 B qcow2; vdc left out: it is read only',
      'found before': '22 MB to write and 60 GB free; no job of others; no checkpoint of others; no disk encrypted',
    })
    const other = { ...before, encrypted: ['vda'], checkpoints: ['theirs'] }
    expect(await rowsOf({ details: { ...details, before: other } })).toMatchObject({
      'found before': expect.stringContaining('checkpoints of others: theirs; encrypted: vda'),
    })
  })

  test('one in its own disk says where it is', async () => {
    const inner = { ...details, mode: 'snapshot', method: 'internal', images: [], inside: 'zeus-20261121T020000Z' }
    expect(await rowsOf({ parent: null, details: inner })).toMatchObject({
      extent: "snapshot zeus-20261121T020000Z inside the domain's own disks",
    })
  })

  test('what it does not understand it does not describe', async () => {
    expect(await rowsOf({ details: { mode: 7 } })).toEqual({})
  })
})
