import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { machineLabel } from '../../infra/config/read.ts'
import { read, whole } from './config-kinds.ts'

describe('what is read', () => {
  const { hosts, plans, sources, vaults, settings, prefix, nats } = read(whole)

  test('the little that is written', () => {
    expect(plans.nightly).toMatchObject({ schedule: ['0 2 * * *'], zone: 'Europe/Zurich', keep: { daily: 7 }, vaults: ['nas'] })
    expect(sources.docs).toMatchObject({ kind: 'files', plans: ['nightly'], options: { paths: ['/srv/docs'] } })
    expect(vaults.nas).toMatchObject({ kind: 'rsync', options: { path: '/mnt/nas' } })
  })

  test('the defaults', () => {
    expect(hosts).toEqual({ local: { label: machineLabel(hostname()), root: '/etc/holdfast/backups', concurrency: 2 } })
    expect(plans.nightly).toMatchObject({ stagger: { local: 0 }, on: [], window: undefined })
    expect(sources.docs).toMatchObject({ host: 'local', service: undefined, health: undefined, options: { exclude: [] } })
    expect(vaults.nas).toMatchObject({ required: true, keep: undefined })
    expect(settings).toEqual({ ackWait: 30_000, heartbeat: 8_000, attempts: 5, tickMaxAge: 3_600_000 })
    expect([prefix, nats]).toEqual(['backup', undefined])
  })

  test("a machine's name as a label", () => {
    expect(['db1.example.com', 'Zoë_1', '-x', 'ö'].map(machineLabel)).toEqual(['db1.example.com', 'Zo-_1', 'x', 'local'])
  })

  test('nothing is found by a name that nobody wrote', () => {
    expect([plans, sources, vaults, hosts].map(section => section.constructor)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('sections may be left empty', () => {
    expect(read('hosts:\nsources:\nplans: {}\n').sources).toEqual({})
  })

  test("the machine's own zone is the default", () => {
    expect(read('plans: { a: { keep: { last: 1 } } }').plans.a?.zone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone)
  })

  test('everything that can be said', () => {
    const all = read(`
hosts:
  db1: { label: db1.example.com, root: ~/backups, concurrency: 4 }
  local: { root: backups/here }
plans:
  a: { schedule: ["@hourly", "0 4 * * 0"], keep: { last: 1, within: 36h, atLeast: 2 }, on: [skills.published, "orders.>"], window: 1h30m }
  b: { keep: { forever: true }, stagger: { db1: 90s } }
sources:
  main:
    kind: database
    plan: [a, b]
    host: db1
    path: /var/lib/main
    service: { stop: [systemctl, stop, app], start: [systemctl, start, app] }
    health: { http: "http://localhost:8080/health" }
vaults:
  nas: { kind: rsync, path: /mnt/nas, required: false, keep: { monthly: 12 } }
nats: { url: "tls://a:4222, tls://b:4222", user: u, password: p, ca: ca.pem }
settings: { prefix: acme, ackWait: 2s, heartbeat: 0.5s, attempts: 2, tickMaxAge: 5m }
`)
    expect(all).toEqual({
      file: '/etc/holdfast/holdfast.yaml',
      prefix: 'acme',
      nats: { url: 'tls://a:4222, tls://b:4222', token: undefined, user: 'u', password: 'p', ca: '/etc/holdfast/ca.pem' },
      hosts: {
        db1: { label: 'db1.example.com', root: '~/backups', concurrency: 4 },
        local: { label: machineLabel(hostname()), root: '/etc/holdfast/backups/here', concurrency: 2 },
      },
      plans: {
        a: {
          schedule: ['@hourly', '0 4 * * 0'],
          zone: expect.any(String),
          stagger: { db1: 0, local: 0 },
          keep: { last: 1, within: 36 * 3_600_000, atLeast: 2 },
          vaults: [],
          on: ['skills.published', 'orders.>'],
          window: 90 * 60_000,
        },
        b: {
          schedule: [],
          zone: expect.any(String),
          stagger: { db1: 90_000, local: 0 },
          keep: { forever: true },
          vaults: [],
          on: [],
          window: undefined,
          drill: undefined,
        },
      },
      sources: {
        main: {
          kind: 'database',
          host: 'db1',
          plans: ['a', 'b'],
          options: { path: '/var/lib/main', vacuum: false },
          service: { stop: ['systemctl', 'stop', 'app'], start: ['systemctl', 'start', 'app'] },
          health: { http: 'http://localhost:8080/health', command: undefined, within: 60_000 },
        },
      },
      vaults: { nas: { kind: 'rsync', required: false, keep: { monthly: 12 }, options: { path: '/mnt/nas' } } },
      settings: { ackWait: 2_000, heartbeat: 500, attempts: 2, tickMaxAge: 300_000 },
    })
  })
})

describe('stagger', () => {
  test('goes by the order in which the hosts are written, numbers or not', () => {
    const { plans } = read('hosts: { web: {}, "10": {}, local: {}, "9": {} }\nplans: { a: { keep: { last: 1 }, stagger: 10m } }')
    expect(plans.a?.stagger).toEqual({ web: 0, '10': 600_000, local: 1_200_000, '9': 1_800_000 })
  })

  test('begins with local where local is not written', () => {
    const { plans } = read('hosts: { web: }\nplans: { a: { keep: { last: 1 }, stagger: 10m } }')
    expect(plans.a?.stagger).toEqual({ local: 0, web: 600_000 })
  })
})

describe('paths', () => {
  test('that begin with a dot are relative to the file, others stay as they are', () => {
    const { sources } = read(whole.replace('[/srv/docs]', '[./docs, ../shared/*.txt, .hidden, "~/x", "*.y"]'))
    expect(sources.docs?.options).toMatchObject({
      paths: ['/etc/holdfast/docs', '/etc/shared/*.txt', '.hidden', '~/x', '*.y'],
    })
  })
})

test('merge keys and anchors are understood', () => {
  const { sources } = read(
    `${whole}  \n`.replace('docs: {', 'docs: &docs {').replace('vaults:\n', '  more: { <<: *docs, exclude: [x] }\nvaults:\n'),
  )
  expect(sources.more).toMatchObject({ kind: 'files', plans: ['nightly'], options: { paths: ['/srv/docs'], exclude: ['x'] } })
})
