/** Copies that lie in a vault. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VerificationFailed } from '../../../infra/errors.ts'
import type { Backup } from '../../../infra/inventory.ts'
import type { Vault } from '../../../infra/vaults/vault.ts'
import { makeBackup } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { getWork, type OpenedVault, type OpenVault, putWork } from './opened.ts'

export function listing(open: OpenVault): void {
  test('oldest first, of one source or one label where asked', async () => {
    const { vault, host } = await open()
    const root = await temporaryDirectory()
    for (const options of [
      { at: '2026-11-22T02:00:00.000Z' },
      { source: 'hera' },
      { at: '2026-11-20T02:00:00.000Z', label: 'r420.example.com' },
    ])
      await vault.put(putWork(host, await makeBackup(root, options)))
    const ids = async (filter?: Parameters<Vault['list']>[0]) => (await vault.list(filter)).map(({ manifest }) => manifest.id)
    expect(await ids()).toEqual(['zeus-20261120T020000Z', 'hera-20261121T020000Z', 'zeus-20261122T020000Z'])
    expect(await ids({ source: 'zeus' })).toEqual(['zeus-20261120T020000Z', 'zeus-20261122T020000Z'])
    expect(await ids({ source: 'zeus', label: 'local' })).toEqual(['zeus-20261122T020000Z'])
  })
}

export function keeping(open: OpenVault): void {
  const stored = async ({ vault, host }: OpenedVault): Promise<Backup> => {
    await vault.put(putWork(host, await makeBackup(await temporaryDirectory())))
    const [backup] = await vault.list()
    if (!backup) throw new Error('nothing listed')
    return backup
  }
  const { signal } = new AbortController()

  test('check passes a whole copy and finds one changed byte', async () => {
    const opened = await open()
    const backup = await stored(opened)
    await opened.vault.check(backup, signal)
    await opened.damage(backup, 'data.bin')
    await expect(opened.vault.check(backup, signal)).rejects.toThrow(VerificationFailed)
  })

  test('get refuses a damaged copy and leaves nothing', async () => {
    const opened = await open()
    const backup = await stored(opened)
    await opened.damage(backup, 'data.bin')
    const to = await temporaryDirectory()
    await expect(opened.vault.get(backup, getWork(opened.host, join(to, 'zeus')))).rejects.toThrow(VerificationFailed)
    expect(await readdir(to)).toEqual([])
  })

  test('remove may run twice', async () => {
    const opened = await open()
    const backup = await stored(opened)
    await opened.vault.remove(backup)
    await opened.vault.remove(backup)
    expect(await opened.vault.list()).toEqual([])
    await expect(opened.vault.check(backup, signal)).rejects.toThrow(VerificationFailed)
  })

  test('sweep may run on any vault, and takes no whole copy', async () => {
    const opened = await open()
    const { manifest } = await stored(opened)
    await opened.vault.sweep?.({ source: manifest.source, label: manifest.host.label })
    expect(await opened.vault.list()).toHaveLength(1)
  })

  test('annotate adds, replaces and removes a document, and no other file', async () => {
    const opened = await open()
    const backup = await stored(opened)
    const held = async () => (await opened.vault.list())[0]?.hold?.reason
    const at = backup.manifest.at
    for (const reason of ['one', 'two']) await opened.vault.annotate(backup, 'hold.json', JSON.stringify({ at, reason }))
    expect(await held()).toBe('two')
    await opened.vault.annotate(backup, 'drills/20261121.json', JSON.stringify({ at, ok: true, checks: [] }))
    expect((await opened.vault.list())[0]?.drills).toHaveLength(1)
    for (const _ of [1, 2]) await opened.vault.annotate(backup, 'hold.json', undefined)
    expect(await held()).toBeUndefined()
    for (const name of ['manifest.json', 'data.bin', '../hold.json', 'drills/../../x', '/etc/x'])
      await expect(opened.vault.annotate(backup, name, 'x')).rejects.toThrow('no document')
  })

  test('a copy that is gone cannot be annotated', async () => {
    const opened = await open()
    const backup = await stored(opened)
    await opened.vault.remove(backup)
    await expect(opened.vault.annotate(backup, 'report.md', '# Report')).rejects.toThrow()
    expect(await opened.vault.list()).toEqual([])
  })

  test('space', async () => {
    const opened = await open()
    await stored(opened)
    const { free, total } = await opened.vault.space()
    expect(free).toBeGreaterThan(0)
    expect(total).toBeGreaterThanOrEqual(free)
  })
}
