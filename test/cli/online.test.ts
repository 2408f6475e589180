import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { connectBus } from '../../bus/connect.ts'
import { requires } from '../services/requires.ts'
import { configuration, furnish, makePlace, type Place, type Running } from './holdfast.ts'

const Asked = z.object({
  planned: z.array(z.object({ id: z.string(), source: z.string() })),
  rejected: z.array(z.unknown()),
  reported: z.array(z.object({ outcome: z.string(), verified: z.boolean() })),
})
const Fact = z.looseObject({ specversion: z.literal('1.0'), type: z.string(), subject: z.string().optional() })

/** One instance for all of these, told to back up everything as it starts. */
requires(
  'nats-server',
  'rsync',
  'sqlite3',
  'tar',
  'zstd',
)('with a running instance', () => {
  let place: Place
  let up: Running
  /** Nobody else can read it while we hold it. */
  let locked: DatabaseSync

  beforeAll(async () => {
    place = await makePlace()
    await furnish(place)
    const broken = '  broken: { kind: files, plan: nightly, paths: [./lost] }\n'
    const ledger = '  ledger: { kind: sqlite, plan: nightly, path: ./ledger.sqlite }\n'
    locked = new DatabaseSync(join(place.path, 'ledger.sqlite'))
    locked.exec('CREATE TABLE entries (text TEXT)')
    await writeFile(join(place.path, 'holdfast.yaml'), configuration.replace('vaults: {', `${broken}${ledger}vaults: {`))
    up = await place.begin(['up', '--now'], /^(All done|Not all is well)/m)
  })
  afterAll(async () => {
    locked.close()
    up.kill('SIGKILL')
    await up.ended
    await place.remove()
  })

  test('up --now says what came of each source, and goes on', () => {
    expect(up.said()).toMatch(/^holdfast \d.* runs: 4 sources, private bus/)
    expect(up.said()).toMatch(/^notes .* {2}verified {2}\d+ s$/m)
    expect(up.said()).toMatch(/^broken {3}failed {2}snapshot: /m)
    expect(up.said()).toMatch(/^Not all is well. Going on when asked. Ctrl-C ends.$/m)
  })

  test('drill tries the newest backup out, and says where it stands', async () => {
    const { exitCode, stdout } = await place.holdfast(['drill', 'notes'])
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^notes-\d{8}T\d{6}Z {2}local {2}drilled/),
    })
    expect(stdout).toContain('integrity_check of the restored file: ok')
    expect(await place.json(['list', 'notes'])).toMatchObject([{ proven: true }])
    expect(await place.holdfast(['drill', 'notas'])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('notas') })
  })

  test('url is the address with which any client joins', async () => {
    const { exitCode, stdout } = await place.holdfast(['url'])
    expect(exitCode).toBe(0)
    const { username, host } = new URL(stdout)
    const connection = await connectBus({ url: `nats://${host}`, token: username, name: 'test', timeout: 2000 })
    await connection.flush()
    await connection.close()
  })

  test('status sees the instance, also as a health check', async () => {
    const { exitCode, stdout } = await place.holdfast(['status', '--running'])
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('An instance runs.') })
  })

  test('run --wait follows the facts and says how it ended', async () => {
    const { exitCode, stdout } = await place.holdfast([
      'run',
      'notes',
      '--wait',
      '--keep',
      'forever',
      '--reason',
      'before upgrade',
    ])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^notes-\S+ {2}planned$/m)
    expect(stdout).toMatch(/^notes {2}export {5}done .*B$/m)
    expect(stdout).toMatch(/^notes {2}.* → {2}shelf .* verified {2}\d+ s$/m)
    const [, kept] = z.array(z.object({ held: z.string().nullable() })).parse(await place.json(['list', 'notes']))
    expect(kept?.held).toContain('before upgrade')
  })

  test('run --wait ends with 1 where it failed', async () => {
    const { exitCode, stdout } = await place.holdfast(['run', 'broken', '--wait'])
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^broken {2}failed {2}snapshot: .*lost/m)
  })

  test('Ctrl-C ends the watching, not the backup; until that has ended another is refused', async () => {
    locked.exec('BEGIN EXCLUSIVE')
    const watching = await place.begin(['run', 'ledger', '--wait'], /plan {7}due/)
    watching.kill('SIGINT')
    expect(await watching.ended).toMatchObject({
      exitCode: 130,
      stderr: 'holdfast: no longer watching; the backup goes on. See: holdfast status',
    })
    const busy = { stdout: expect.stringMatching(/^ledger .* busy with ledger-/m) }
    await expect.poll(() => place.holdfast(['status']), { timeout: 10_000 }).toMatchObject(busy)
    // Within the same second it would hear that this very backup is planned.
    const refused = { exitCode: 1, stderr: expect.stringContaining('ledger is being backed up') }
    await expect.poll(() => place.holdfast(['run', 'ledger']), { timeout: 10_000 }).toMatchObject(refused)
    locked.exec('COMMIT')
  })

  test('run as JSON, of several at once', async () => {
    const { planned, rejected, reported } = Asked.parse(await place.json(['run', 'letters', 'notes', '--wait']))
    expect(planned.map(({ source }) => source).toSorted()).toEqual(['letters', 'notes'])
    expect({ rejected, reported }).toEqual({ rejected: [], reported: [expect.anything(), expect.anything()] })
    expect(reported.every(({ outcome, verified }) => outcome === 'done' && verified)).toBe(true)
  })

  test('run refuses what it does not know, and asks nobody off a terminal', async () => {
    expect(await place.holdfast(['run', 'leters'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Did you mean letters?'),
    })
    expect(await place.holdfast(['run'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Name one of letters, notes, broken, ledger, or say --all.'),
    })
  })

  test('events shows what was said, one CloudEvent a line', async () => {
    const { exitCode, stdout } = await place.holdfast(['events', '--since', '1h', '--no-follow', '--json'])
    expect(exitCode).toBe(0)
    const facts = stdout.split('\n').map(line => Fact.parse(JSON.parse(line)))
    const first = facts.find(({ type }) => type === 'backup.report.done')?.subject
    const steps = facts.filter(({ subject }) => subject === first).map(({ type }) => type)
    expect(steps[0]).toBe('backup.plan.due')
    expect(steps.at(-1)).toBe('backup.report.done')
  })

  test('events shows what is being said, until it is told to stop', async () => {
    const watching = await place.begin(['events', '--since', '1h'], /report/)
    const [asked] = Asked.parse(await place.json(['run', 'letters', '--wait'])).planned
    const line = new RegExp(`^\\d\\d:\\d\\d:\\d\\d {2}${asked?.id} {2}report {5}done`, 'm')
    await expect.poll(watching.said, { timeout: 10_000 }).toMatch(line)
    watching.kill('SIGINT')
    expect((await watching.ended).exitCode).toBe(0)
  })

  test('restore goes through the instance and brings the data back', async () => {
    const [backup] = z.array(z.object({ id: z.string() })).parse(await place.json(['list', 'letters']))
    await rm(join(place.path, 'letters', 'one.txt'))
    const { exitCode, stdout } = await place.holdfast(['restore', backup?.id ?? '', '--yes'])
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('  restored  ') })
    expect(await readFile(join(place.path, 'letters', 'one.txt'), 'utf8')).toBe('Dear Ada')
    const { stdout: said } = await place.holdfast(['events', '--since', '1h', '--no-follow'])
    expect(said).toMatch(/letters-\S+ {2}restore {4}done/)
  })

  test('a changed configuration is taken over; a broken one is not', async () => {
    const good = configuration.replace('vaults: {', '  more: { kind: files, plan: nightly, paths: [./letters] }\nvaults: {')
    await writeFile(join(place.path, 'holdfast.yaml'), 'sources: [')
    await writeFile(join(place.path, 'holdfast.yaml'), good)
    up.kill('SIGHUP')
    await expect.poll(() => place.holdfast(['run', 'more', '--wait']), { timeout: 15_000 }).toMatchObject({ exitCode: 0 })
  })

  test('SIGTERM ends it well', async () => {
    up.kill('SIGTERM')
    expect(await up.ended).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('Stopping:') })
    expect((await place.holdfast(['status', '--running'])).exitCode).toBe(3)
  })
})
