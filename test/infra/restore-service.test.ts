import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { localHost } from '../../infra/hosts/local.ts'
import { type Restore, restoreBackup } from '../../infra/restore.ts'
import { sqlite } from '../../infra/sources/sqlite.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { requires } from '../services/requires.ts'
import type { Orders } from './restore/child.ts'
import { testService } from './restore/service.ts'
import { backupOf } from './sources/backup.ts'
import { ask, makeDatabase } from './sources/databases.ts'

const host = localHost()
const BALANCES = 'SELECT balance FROM account'

/** A service that runs on a database of balance 2, whose backup has balance 1. */
async function running() {
  const root = await temporaryDirectory()
  const [data, home, state] = [join(root, 'data'), join(root, 'service'), join(root, 'state')]
  await mkdir(data)
  await mkdir(home)
  const database = makeDatabase(join(data, 'orders.db'))
  const service = await testService(home, database, async ([first = '', ...rest]) => host.run([first, ...rest]))
  await host.run(service.config.start)
  await expect.poll(service.balance, { timeout: 10_000 }).toBe('0')
  change(database, 1)
  const backup = backupOf(sqlite, { path: database }, { root })
  await backup.capture()
  change(database, 2)
  const restore = (within: number, http: string): Restore => ({
    ...{ backup: { manifest: backup.manifest(), directory: backup.directory }, host, driver: sqlite },
    ...{
      options: sqlite.options.parse({ path: database }),
      service: service.config,
      health: { http, command: undefined, within },
    },
    ...{ to: undefined, keepAside: false, token: 'killed', state, signal: new AbortController().signal },
    ...{ progress: () => undefined, warn: () => undefined },
  })
  return { root, data, database, service, backup, restore }
}

requires('sqlite3')('a service in use', () => {
  test('goes on with what was restored', async () => {
    const { data, database, service, restore } = await running()
    const { checks, targets } = await restoreBackup(restore(10_000, service.healthyAt(1)))
    expect(targets).toEqual([database])
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['checksums', 'integrity_check', 'row counts', 'integrity_check of the restored file', 'health']),
    )
    expect(await service.balance()).toBe('1')
    expect(ask(database, BALANCES)).toEqual([1, 1])
    expect((await readdir(data)).filter(name => !name.startsWith('orders.db'))).toEqual([])
    expect((await readdir(data)).filter(name => name.includes('before'))).toEqual([])
  })

  test('goes on with what was there where it does not become well', async () => {
    const { data, database, service, restore } = await running()
    const failed = restoreBackup(restore(600, service.healthyAt(99)))
    await expect(failed).rejects.toThrow(/rolled back: http.* was not well within 600ms: HTTP 503/)
    await expect.poll(service.balance, { timeout: 10_000 }).toBe('2')
    expect(ask(database, BALANCES)).toEqual([2, 2])
    expect((await readdir(data)).filter(name => !/^orders\.db(-wal|-shm)?$/.test(name))).toEqual([])
  })

  test.each(['stop', 'rename 2', 'start', 'remove 2'])('is whole after a kill -9 before "%s"', async point => {
    const { root, data, database, service, backup, restore } = await running()
    const { state } = restore(0, '')
    const orders: Orders = {
      ...{ manifest: backup.manifest(), directory: backup.directory, database, state, point },
      ...{ service: service.config, http: service.healthyAt(1) },
    }
    await writeFile(join(root, 'orders.json'), JSON.stringify(orders))
    const child = spawn(process.execPath, [join(import.meta.dirname, 'restore', 'child.ts'), join(root, 'orders.json')], {
      stdio: 'inherit',
    })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    await restoreBackup(restore(10_000, service.healthyAt(1)))
    expect(ask(database, BALANCES)).toEqual([1, 1])
    expect(ask(database, 'PRAGMA integrity_check')).toEqual(['ok'])
    expect((await readdir(data)).filter(name => !/^orders\.db(-wal|-shm)?$/.test(name))).toEqual([])
  })
})

function change(database: string, balance: number): void {
  const connection = new DatabaseSync(database, { timeout: 10_000 })
  connection.exec(`UPDATE account SET balance = ${balance}`)
  connection.close()
}
