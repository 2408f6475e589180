import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfiguration } from '../../infra/config.ts'
import { complaints, problemsOf, whole } from './config-kinds.ts'

/** The whole configuration with one thing changed. */
function but(from: string, to: string): string {
  if (!whole.includes(from)) throw new Error(`${from} is not in the configuration`)
  return whole.replace(from, to)
}

describe('every mistake is told at once', () => {
  const text = `plans:
  nightly:
    schedule: "0 25 * * *"
    zone: Europe/Zürich
    keep: { dayly: 7 }
    vaults: [naz]
    on: [backup.tick]
sources:
  docs:
    kind: files
    pahts: [/srv]
    plan: nightlyy
  docs:
    kind: file
    host: lokal
vaults:
  nas: { kind: rsync, path: 7 }
nats: { url: "http://bus", user: me }
settings: { heartbeat: 20s, attempts: five }
setings: {}
`

  test('with its line, column and cure, in the order of the file', () => {
    const lines = problemsOf(text).map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`)
    expect(lines).toEqual([
      '3:15 plans.nightly.schedule: expected a cron expression of five fields such as "0 2 * * *": Invalid value for hour: 25, found "0 25 * * *"',
      '4:11 plans.nightly.zone: expected a time zone such as Europe/Zurich, found "Europe/Zürich"',
      '5:13 plans.nightly.keep.dayly: unknown key; did you mean "daily"?',
      '6:14 plans.nightly.vaults.0: unknown vault "naz"; did you mean "nas"?',
      '7:10 plans.nightly.on.0: "backup.tick" would match Holdfast\'s own backup.> subjects; name the foreign ones',
      '13:3 sources.docs: stands here for the second time; keep one of the two',
      '13:3 sources.docs.plan: missing; expected the name of a plan or a list of them',
      '14:11 sources.docs.kind: unknown kind "file"; did you mean "files"?',
      '15:11 sources.docs.host: unknown host "lokal"; did you mean "local"?',
      '17:29 vaults.nas.path: expected text, found 7',
      '18:7 nats: expected user and password together',
      '18:14 nats.url: expected an address such as nats://bus.example.com:4222',
      '19:24 settings.heartbeat: expected at most a third of ackWait, found "20s"',
      '19:39 settings.attempts: expected a whole number from 1 to 1000, found "five"',
      '20:1 setings: unknown key; did you mean "settings"?',
    ])
  })

  test('as an error of one line each that says what to do', () => {
    expect(() => problemsOf(text)).not.toThrow()
    const [problem] = problemsOf(but('paths:', 'pahts:'), {}, 'conf/holdfast.yaml').filter(({ nearest }) => nearest)
    expect(problem).toEqual({
      file: 'conf/holdfast.yaml',
      line: 5,
      column: 39,
      path: 'sources.docs.pahts',
      message: 'unknown key; did you mean "paths"?',
      expected: 'one of paths, exclude, kind, plan, host, service, health',
      nearest: 'paths',
    })
  })

  test('in a file that is not there', async () => {
    const error = await readConfiguration(join('no', 'such.yaml')).catch(error => error)
    expect(error).toMatchObject({
      name: 'ConfigurationInvalid',
      retryable: false,
      hint: expect.stringContaining('holdfast init'),
    })
    expect(error.message).toBe('no/such.yaml:1:1 there is no such file')
  })
})

describe('each of these alone', () => {
  test.each([
    // Not YAML, or not a mapping
    ['plans: [', ': not valid YAML'],
    ['plans: { a: 1', ': not valid YAML'],
    ['a: b: c', ': not valid YAML'],
    ['\tplans: {}', ': not valid YAML'],
    ['settings: { prefix: !secret x }', ': not valid YAML'],
    ['plans: {}\n---\nplans: {}', ': not valid YAML'],
    ['', ': expected a mapping, found nothing'],
    ['- plans', ': expected a mapping, found a list'],
    ['plans: 7', 'plans: expected a mapping, found 7'],
    ['plans: [a]', 'plans: expected a mapping, found a list'],
    ['plans: { a: }', 'plans.a: expected a mapping, found nothing'],
    // Names
    [but('docs:', 'Docs:'), 'sources.Docs: expected a name'],
    [but('docs:', '-docs:'), 'sources.-docs: expected a name'],
    [but('docs:', '__proto__:'), 'sources.__proto__: expected a name'],
    [but('plan: nightly', 'plan: constructor'), 'sources.docs.plan: unknown plan "constructor"'],
    [but('plan: nightly', 'plan: [nightly, weekly]'), 'sources.docs.plan.1: unknown plan "weekly"'],
    // What belongs to it
    [but('plan: nightly,', ''), 'sources.docs.plan: missing; expected the name of a plan or a list of them'],
    [but('plan: nightly', 'plan: []'), 'sources.docs.plan: expected one or more'],
    [but('keep: { daily: 7 }', 'keep: {}'), 'plans.nightly.keep: keeps nothing'],
    [but('keep: { daily: 7 }', 'keep: { atLeast: 3 }'), 'plans.nightly.keep: keeps nothing'],
    [but('keep: { daily: 7 },', ''), 'plans.nightly.keep: missing; expected a mapping'],
    [but('daily: 7', 'daily: 7.5'), 'plans.nightly.keep.daily: expected a whole number'],
    [but('daily: 7', 'within: soon'), 'plans.nightly.keep.within: expected a duration such as 90s, 10m, 6h or 1d, found "soon"'],
    [but('zone:', 'stagger: 10, zone:'), 'plans.nightly.stagger: expected a duration'],
    [but('zone:', 'stagger: { r420: 10m }, zone:'), 'plans.nightly.stagger.r420: unknown host'],
    [but('schedule: "0 2 * * *"', 'schedule: "0 0 30 2 *"'), 'plans.nightly.schedule: expected a cron expression'],
    [
      but('schedule: "0 2 * * *"', 'schedule: ["0 2 * * *", "0 0 2 * * *"]'),
      'plans.nightly.schedule.1: expected a cron expression',
    ],
    // Kinds
    [but('[/srv/docs]', '[]'), 'sources.docs.paths: '],
    [but('[/srv/docs]', '[/a, 7]'), 'sources.docs.paths.1: expected text, found 7'],
    [but('paths: [/srv/docs]', 'paths: [/a], pasword: x'), 'sources.docs.pasword: unknown key'],
    [but('kind: rsync, ', ''), 'vaults.nas.kind: missing'],
    [
      but('kind: files, plan: nightly, paths: [/srv/docs]', 'kind: database, plan: nightly, path: /ro/x, vacuum: true'),
      'sources.docs.vacuum: cannot vacuum there',
    ],
    // Services
    [
      but('plan: nightly,', 'plan: nightly, service: { stop: systemctl stop x, start: [a] },'),
      'sources.docs.service.stop: expected a list',
    ],
    [but('plan: nightly,', 'plan: nightly, health: { within: 5m },'), 'sources.docs.health: expected either http or command'],
    [but('plan: nightly,', 'plan: nightly, health: { http: "ftp://x" },'), 'sources.docs.health.http: expected an http'],
    // Places
    [but('path: /mnt/nas', 'path: /srv/docs/vault'), 'sources.docs.paths.0: contains /srv/docs/vault, vault nas'],
    [but('[/srv/docs]', '["/mnt/*"]'), 'sources.docs.paths.0: contains /mnt/nas, vault nas'],
    [
      `hosts: { local: { root: /srv/docs/backups } }${whole}`,
      'sources.docs.paths.0: contains /srv/docs/backups, the root of host local',
    ],
    [`hosts: { local: { root: /mnt/nas/ } }${whole}`, 'vaults.nas.path: /mnt/nas is the root of host local'],
    [`hosts: { local: { root: /mnt/nas/here } }${whole}`, 'vaults.nas.path: /mnt/nas contains the root of host local'],
    [`${whole}  nas2: { kind: rsync, path: /mnt/nas/two }`, 'vaults.nas2.path: /mnt/nas/two lies inside vault nas'],
    [`hosts: { a: { label: x }, b: { label: x } }${whole}`, 'hosts.b.label: "x" is the label of host a too'],
    // The bus
    [but('zone:', 'on: [""], zone:'), 'plans.nightly.on.0: expected a NATS subject'],
    [but('zone:', 'on: [a..b], zone:'), 'plans.nightly.on.0: expected a NATS subject'],
    [but('zone:', 'on: ["a.>.b"], zone:'), 'plans.nightly.on.0: expected a NATS subject'],
    [but('zone:', 'on: ["a.b*"], zone:'), 'plans.nightly.on.0: expected a NATS subject'],
    [but('zone:', 'on: ["$KV.x"], zone:'), 'plans.nightly.on.0: expected a subject of yours: $KV belongs to NATS itself'],
    [but('zone:', 'on: ["*.published"], zone:'), 'plans.nightly.on.0: "*.published" would match'],
    [`settings: { prefix: acme }${but('zone:', 'on: [acme.x], zone:')}`, 'plans.nightly.on.0: "acme.x" would match'],
    ['nats: { url: "nats://x", token: a, user: b, password: c }', 'nats: expected either a token or user and password'],
    ['settings: { ackWait: 20s, heartbeat: 7s }', 'settings.heartbeat: expected at most a third of ackWait'],
    ['settings: { prefix: a.b }', 'settings.prefix: expected a name'],
  ])('%j', (text, expected) => {
    expect(complaints(text)).toEqual([expect.stringContaining(expected)])
  })

  test('a mistake in what an anchor brings is found', () => {
    expect(complaints('x: &x [1, 2]\nplans: { a: { keep: { last: 1 }, vaults: *x } }')).toEqual([
      'x: unknown key; expected one of hosts, plans, sources, vaults, nats, settings',
      'plans.a.vaults.0: expected a name of a-z, 0-9, - and _ that begins with a letter or digit, found 1',
      'plans.a.vaults.1: expected a name of a-z, 0-9, - and _ that begins with a letter or digit, found 2',
    ])
  })

  test('aliases that multiply without end are refused', () => {
    const levels = Array.from(
      { length: 9 },
      (_, index) => `x${index + 1}: &x${index + 1} [${Array(9).fill(`*x${index}`).join(', ')}]`,
    )
    expect(complaints(['x0: &x0 [a]', ...levels].join('\n'))).toEqual([expect.stringContaining('not readable')])
  })
})

test('an exclude makes room for a vault inside a source', () => {
  expect(
    complaints(`${but('path: /mnt/nas', 'path: /srv/docs/vault').replace('paths:', 'exclude: [/srv/docs/vault], paths:')}\nx: 1`),
  ).toHaveLength(1)
})
