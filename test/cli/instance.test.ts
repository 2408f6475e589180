import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startInstance } from '../../cli/instance.ts'
import { createLogger } from '../../infra/log.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { configurationOf } from '../services/house.ts'
import { requires } from '../services/requires.ts'

requires('nats-server')('a running instance', () => {
  test('reads its configuration one time after the other, and the last one is in force', async () => {
    const directory = await temporaryDirectory()
    const configuration = configurationOf({ directory, sources: {} })
    const read = { now: 0, most: 0, count: 0 }
    const reread = async () => {
      const fresh = { ...configuration, file: `${++read.count}.yaml` }
      read.most = Math.max(read.most, ++read.now)
      await sleep(20)
      read.now--
      return fresh
    }
    const log = createLogger({ level: process.env.LOG ?? 'silent' })
    const instance = await startInstance({ configuration, stateDirectory: join(directory, 'state'), log, reread })
    onTestFinished(() => instance.stop())
    await Promise.all([instance.reload(), instance.reload(), instance.reload()])
    expect(read).toEqual({ now: 0, most: 1, count: 3 })
    expect(instance.tools().configuration.file).toBe('3.yaml')
  })
})
