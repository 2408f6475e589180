/** The shape of `holdfast.yaml`, without what each kind of source and vault adds. Descriptions are what editors show. */
import { z } from 'zod'
import { Duration } from '../duration.ts'
import { namePattern } from '../manifest.ts'
import { Policy } from '../retention.ts'
import { scheduleProblem } from '../schedule.ts'
import { subjectProblem } from './subjects.ts'

const nameExpected = 'expected a name of a-z, 0-9, - and _ that begins with a letter or digit'
export const Name = z.string({ error: nameExpected }).regex(namePattern, nameExpected)

const text = z.string().min(1, 'expected text that is not empty')
const whole = 'expected a whole number from 1 to 1000'
const count = z.int(whole).min(1, whole).max(1_000, whole)
const command = z.tuple([text], text, { error: 'expected a list: the program and its arguments, such as [systemctl, stop, app]' })

/** Where a host keeps its backups unless told: beside the configuration file. */
export const DEFAULT_ROOT = './backups'

/** Checks that look at several values say what they see, even where one of the values is wrong. */
const always = { when: () => true }

export const Host = z.strictObject({
  label: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ., - and _')
    .describe("What vault paths show, such as db1.example.com. Default: the name; for local this machine's hostname.")
    .optional(),
  root: text.describe('Where the host keeps its backups. Default: ./backups beside this file.').default(DEFAULT_ROOT),
  concurrency: count.describe('Runs of one step at the same time on this host.').default(2),
})

const Schedule = explained(text, expression => {
  const problem = scheduleProblem(expression)
  return problem && `expected a cron expression of five fields such as "0 2 * * *": ${problem}`
})
const Zone = explained(z.string(), zone => (isZone(zone) ? undefined : 'expected a time zone such as Europe/Zurich'))
const Subject = explained(z.string(), subjectProblem)

export const Plan = z.strictObject({
  schedule: oneOrMore(Schedule, 'expected a cron expression or a list of them')
    .describe('Cron: minute hour day month weekday. Without it the plan only runs when asked or triggered.')
    .default([]),
  zone: Zone.describe("Time zone of the schedule, the date directories and the retention. Default: this machine's.").optional(),
  stagger: z
    .union([Duration, z.record(Name, Duration)])
    .describe('10m: each host of the list above starts 10 minutes after the one before. {db1: 20m}: stated for each.')
    .default({}),
  keep: Policy.describe(
    'How long backups are kept. Each rule by itself keeps the newest of each period; the results are joined.',
  ),
  vaults: z.array(Name).describe('Where copies go.').default([]),
  on: z.array(Subject).describe('NATS subjects of others that start the plan.').default([]),
  window: Duration.describe('How long after its slot a backup may still start. Default: until the next slot.').optional(),
  drill: Duration.refine(duration => duration >= 60_000, 'expected at least 1m')
    .describe(
      '7d: how often the newest verified backup is restored into a scratch place and tried there. Default: only when asked.',
    )
    .optional(),
})

const Service = z.strictObject({
  stop: command.describe('Program and arguments that stop what uses the data before it is restored.'),
  start: command.describe('Program and arguments that start it again.'),
})

const Health = z
  .strictObject({
    http: z
      .url({ protocol: /^https?$/, error: 'expected an http:// or https:// address' })
      .describe('Healthy when this answers with 2xx.')
      .optional(),
    command: command.describe('Healthy when this ends with exit code 0.').optional(),
    within: Duration.describe('How long to wait for health. Default: 60s.').prefault('60s'),
  })
  .refine(({ http, command }) => (http === undefined) !== (command === undefined), {
    error: 'expected either http or command',
    ...always,
  })

/** What every source says, whatever its kind. */
export const Source = z.looseObject({
  kind: text.describe('What is protected.'),
  plan: oneOrMore(Name, 'expected the name of a plan or a list of them').describe(
    'The plan, or a list of plans, that backs it up.',
  ),
  host: Name.describe('Where it lives. Default: local.').default('local'),
  service: Service.describe('How to stop and start what uses the data; a restore does both.').optional(),
  health: Health.describe('How a restore knows that all is well again; it rolls back where that does not come.').optional(),
})

/** What every vault says, whatever its kind. */
export const Vault = z.looseObject({
  kind: text.describe('What keeps the copies.'),
  required: z
    .boolean()
    .describe('A backup that a required vault lacks is not pruned, and a copy that fails there is a failure. Default: true.')
    .default(true),
  keep: Policy.describe("The vault's own retention. Default: the plans'.").optional(),
})

export const Nats = z
  .strictObject({
    url: explained(z.string(), servers =>
      servers.split(',').every(server => /^(nats|tls|ws|wss):\/\/\S+$/.test(server.trim()))
        ? undefined
        : 'expected an address such as nats://bus.example.com:4222',
    ).describe('One address, or several joined by commas.'),
    token: text.describe(`Best as \${env:NAME} or \${file:path}.`).optional(),
    user: text.describe('Goes with a password.').optional(),
    password: text.describe(`Best as \${env:NAME} or \${file:path}.`).optional(),
    ca: text.describe("Path of the certificate authority's PEM file.").optional(),
  })
  .refine(({ user, password }) => (user === undefined) === (password === undefined), {
    error: 'expected user and password together',
    ...always,
  })
  .refine(({ user, token }) => user === undefined || token === undefined, {
    error: 'expected either a token or user and password',
    ...always,
  })

export const Settings = z
  .strictObject({
    prefix: Name.describe('First word of every subject. Default: backup.').default('backup'),
    ackWait: Duration.describe('After this silence another worker takes over. Default: 30s.').prefault('30s'),
    heartbeat: Duration.describe('At most a third of ackWait. Default: 8s.').optional(),
    attempts: count.describe('Tries of a step. Default: 5.').default(5),
    tickMaxAge: Duration.describe('An older request is refused. Default: 1h.').prefault('1h'),
  })
  .refine(({ ackWait, heartbeat }) => heartbeat === undefined || (heartbeat > 0 && heartbeat <= ackWait / 3), {
    error: 'expected at most a third of ackWait',
    path: ['heartbeat'],
    ...always,
  })
  .transform(({ heartbeat, ...settings }) => ({
    ...settings,
    heartbeat: heartbeat ?? Math.min(8_000, Math.floor(settings.ackWait / 3)),
  }))

/** One or several; in code always a list. */
function oneOrMore<T>(item: z.ZodType<T, string>, error: string) {
  return z.union([item.transform(one => [one]), z.array(item).min(1, 'expected one or more')], { error })
}

/** A text with a check that says in words what is wrong. */
function explained(schema: z.ZodString, problemOf: (text: string) => string | undefined): z.ZodString {
  return schema.superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem) context.addIssue(problem)
  })
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}
