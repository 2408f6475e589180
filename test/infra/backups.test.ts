import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addCopies, cleanUnfinished, hold, removeBackup, unhold, writeDocument } from '../../infra/backups.ts'
import { localHost } from '../../infra/hosts/local.ts'
import { readBackup } from '../../infra/inventory.ts'
import { COPIES } from '../../infra/layout.ts'
import { makeBackup } from '../services/backup.ts'
import { temporaryDirectory } from '../services/directory.ts'

const host = localHost()
const at = '2026-11-21T02:01:00.000Z'

describe('documents', () => {
  test('hold and unhold', async () => {
    const { directory } = await makeBackup(await temporaryDirectory())
    await hold(host, directory, { at, reason: 'before upgrade', by: 'ann' })
    expect((await readBackup(host, directory))?.hold).toEqual({ at, reason: 'before upgrade', by: 'ann' })
    await unhold(host, directory)
    await unhold(host, directory)
    expect((await readBackup(host, directory))?.hold).toBeUndefined()
  })

  test('a copy is noted once per vault, the later word in the place of the earlier', async () => {
    const { directory } = await makeBackup(await temporaryDirectory())
    const copy = (vault: string, bytes: number) => ({ vault, at, directory: `/${vault}`, bytes })
    for (const noted of [copy('nas', 1), copy('disk', 2), copy('nas', 3)]) await addCopies(host, directory, [noted])
    expect((await readBackup(host, directory))?.copies).toEqual([copy('disk', 2), copy('nas', 3)])
  })

  test('a document that is not one is refused, and what was there stays', async () => {
    const { directory } = await makeBackup(await temporaryDirectory())
    await addCopies(host, directory, [{ vault: 'nas', at, directory: '/nas', bytes: 1 }])
    const wrong = { copies: [{ vault: 'nas', at: 'yesterday', directory: '/nas', bytes: 1 }] }
    await expect(writeDocument(host, directory, COPIES, wrong)).rejects.toThrow('Invalid ISO datetime')
    expect((await readBackup(host, directory))?.copies).toHaveLength(1)
  })

  test('copies.json of somebody else is not written over', async () => {
    const { directory } = await makeBackup(await temporaryDirectory())
    await writeFile(join(directory, COPIES), '[]')
    await expect(addCopies(host, directory, [{ vault: 'nas', at, directory: '/nas', bytes: 1 }])).rejects.toThrow()
  })
})

describe('removeBackup', () => {
  test('takes the directory, and the day with the last one; may run twice', async () => {
    const root = await temporaryDirectory()
    const [zeus, hera] = [await makeBackup(root), await makeBackup(root, { source: 'hera' })]
    await removeBackup(host, zeus.directory)
    expect(await readdir(join(root, '2026-11-21'))).toEqual(['hera-020000Z'])
    await removeBackup(host, hera.directory)
    await removeBackup(host, hera.directory)
    expect(await readdir(root)).toEqual([])
  })

  test('finishes what was killed, and leaves what is not ours', async () => {
    const root = await temporaryDirectory()
    const { directory } = await makeBackup(root)
    const day = join(root, '2026-11-21')
    for (const name of ['.zeus-020000Z.removing-ab12', '.hera-020000Z.removing-ab12', 'zeus.xml']) await mkdir(join(day, name))
    await removeBackup(host, directory)
    expect((await readdir(day)).sort()).toEqual(['.hera-020000Z.removing-ab12', 'zeus.xml'])
  })
})

describe('cleanUnfinished', () => {
  const leftovers = [
    '.zeus-020000Z.partial-4',
    '.zeus-020000Z.partial-14',
    '.zeus-030000Z.removing-ab12',
    '.zeus-two-020000Z.partial-4',
  ]

  async function rootWithLeftovers(): Promise<string> {
    const root = await temporaryDirectory()
    await makeBackup(root, { at: '2026-11-21T01:00:00.000Z' })
    for (const name of leftovers) await mkdir(join(root, '2026-11-21', name))
    await mkdir(join(root, '2026-11-22', '.zeus-010000Z.partial-5'), { recursive: true })
    return root
  }

  test('removes a source’s, but not those of the fences named', async () => {
    const root = await rootWithLeftovers()
    const removed = await cleanUnfinished(host, root, { source: 'zeus', except: [4] })
    expect(removed.map(path => path.slice(root.length + 1))).toEqual([
      '2026-11-21/.zeus-020000Z.partial-14',
      '2026-11-21/.zeus-030000Z.removing-ab12',
      '2026-11-22/.zeus-010000Z.partial-5',
    ])
    expect((await readdir(join(root, '2026-11-21'))).sort()).toEqual([
      '.zeus-020000Z.partial-4',
      '.zeus-two-020000Z.partial-4',
      'zeus-010000Z',
    ])
    expect(await readdir(root)).toEqual(['2026-11-21'])
  })

  test('removes one backup’s alone', async () => {
    const root = await rootWithLeftovers()
    const backup = { day: '2026-11-21', name: 'zeus-020000Z' }
    expect(await cleanUnfinished(host, root, { source: 'zeus', backup })).toHaveLength(2)
    expect(await cleanUnfinished(host, root, { source: 'zeus', backup })).toEqual([])
  })

  test('ends removals alone, where asked', async () => {
    const root = await rootWithLeftovers()
    const removed = await cleanUnfinished(host, root, { source: 'zeus', state: 'removing' })
    expect(removed).toEqual([join(root, '2026-11-21', '.zeus-030000Z.removing-ab12')])
  })

  test('has nothing to do where there is no root', async () => {
    const root = await temporaryDirectory()
    await rm(root, { recursive: true })
    expect(await cleanUnfinished(host, root, { source: 'zeus' })).toEqual([])
  })
})
