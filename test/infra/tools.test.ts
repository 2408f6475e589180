import { describe, expect, test } from 'vitest'
import type { Configuration } from '../../infra/config.ts'
import { InvalidInput } from '../../infra/errors.ts'
import { createTools } from '../../infra/tools.ts'

const configuration: Configuration = {
  file: '/etc/holdfast.yaml',
  prefix: 'backup',
  nats: undefined,
  hosts: {
    local: { label: 'local', root: '/var/backups', concurrency: 1 },
    zeus: { label: 'zeus.example.com', root: '/b', concurrency: 1 },
  },
  plans: {
    nightly: {
      schedule: [],
      zone: 'UTC',
      stagger: {},
      keep: { last: 1 },
      vaults: ['nas'],
      on: [],
      window: undefined,
      drill: undefined,
    },
  },
  sources: {
    db: { kind: 'sqlite', host: 'zeus', plans: ['nightly'], options: { path: '/db' }, service: undefined, health: undefined },
    odd: { kind: 'abacus', host: 'local', plans: [], options: {}, service: undefined, health: undefined },
  },
  vaults: { nas: { kind: 'rsync', required: true, keep: undefined, options: { path: '/mnt/nas' } } },
  settings: { ackWait: 30_000, heartbeat: 8000, attempts: 5, tickMaxAge: 3_600_000 },
}

describe('tools', () => {
  test('a source comes with its driver and its host', () => {
    const source = createTools(configuration).source('db')
    expect(source).toMatchObject({ name: 'db', driver: { kind: 'sqlite' }, host: { name: 'zeus' }, hostConfig: { root: '/b' } })
  })

  test('a host and a vault are opened once', () => {
    const tools = createTools(configuration)
    expect(tools.host('zeus')).toBe(tools.source('db').host)
    expect(tools.vault('nas')).toBe(tools.vault('nas'))
    expect(tools.vault('nas').vault.name).toBe('nas')
  })

  test('after close they are opened anew', async () => {
    const tools = createTools(configuration)
    const host = tools.host('zeus')
    await tools.close()
    expect(tools.host('zeus')).not.toBe(host)
  })

  test.each([
    ['source', () => createTools(configuration).source('bd'), 'Did you mean db?'],
    ['plan', () => createTools(configuration).plan('nigthly'), 'Did you mean nightly?'],
    ['host', () => createTools(configuration).host('constructor'), 'There is: local, zeus.'],
    ['vault', () => createTools({ ...configuration, vaults: {} }).vault('nas'), 'The configuration names no vault yet: add one.'],
  ])('an unknown %s is told with what there is', (what, ask, hint) => {
    expect(ask).toThrow(InvalidInput)
    expect(ask).toThrow(expect.objectContaining({ message: expect.stringContaining(`there is no ${what}`), hint }))
  })

  test('an unknown kind is told', () => {
    expect(() => createTools(configuration).source('odd')).toThrow('no kind of source called "abacus"')
  })
})
