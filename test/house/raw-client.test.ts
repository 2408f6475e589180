import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { events } from '../../bus/events.ts'
import { subjects } from '../services/house.ts'
import { requires } from '../services/requires.ts'
import { type RawClient, rawClient } from './raw-client.ts'
import { only, openScene, type Scene } from './scene.ts'

/** A scene and a stranger on its bus. */
async function visited({ headers = false } = {}): Promise<{ scene: Scene; raw: RawClient }> {
  const scene = await openScene()
  const raw = await rawClient({ port: scene.server.port, headers })
  onTestFinished(() => raw[Symbol.asyncDispose]())
  return { scene, raw }
}

/** The body of the first and only answer. */
async function answer(raw: RawClient, subject: string, body: string | Uint8Array): Promise<unknown> {
  return JSON.parse(only(await raw.request(subject, body)).body)
}

async function refusal(raw: RawClient, subject: string, body: string | Uint8Array, message: string): Promise<void> {
  const error = { message: expect.stringContaining(message), retryable: false }
  expect(await answer(raw, subject, body)).toMatchObject({ error })
}

/** The beginning of the next second, so that what follows falls into one. */
const nextSecond = () => sleep(1005 - (Date.now() % 1000))

const wish = JSON.stringify({ sources: ['docs'], reason: 'before upgrade' })

requires(
  'nats-server',
  'rsync',
  'tar',
  'zstd',
)('a client that knows only NATS', () => {
  test('publishes bare JSON to the tick: a backup is made', async () => {
    const { scene, raw } = await visited()
    await raw.publish('backup.tick', wish)
    const [due] = await scene.hears(events.plan.due)
    expect(due).toMatchObject({ source: 'docs', reason: 'before upgrade', cause: 'tick-1' })
    const [report] = await scene.hears(events.report.done)
    expect(report).toMatchObject({ id: due?.id, outcome: 'done', verified: true })
  })

  test('publishes a CloudEvent with a reply subject: the stream says that it has it, and nobody else answers', async () => {
    const { scene, raw } = await visited()
    const event = { specversion: '1.0', id: 'a1', source: '/shop', type: 'shop.upgrade.planned', data: { sources: ['docs'] } }
    expect(await answer(raw, 'backup.tick', JSON.stringify(event))).toMatchObject({ stream: 'TICK', seq: 1 })
    expect(only(await scene.hears(events.report.done))).toMatchObject({ outcome: 'done' })
  })

  test('asks for a run: the plan is the first and only answer, and the backup is made', async () => {
    const { scene, raw } = await visited()
    const plan = await answer(raw, 'backup.run', wish)
    expect(plan).toMatchObject({ planned: [{ source: 'docs', host: 'local', plans: ['nightly'] }], rejected: [] })
    const { id } = only(await scene.hears(events.report.done))
    expect(plan).toMatchObject({ planned: [{ id }] })
  })

  test('asks for what there is not: the error with the nearest name is the first and only answer', async () => {
    const { scene, raw } = await visited()
    expect(await answer(raw, 'backup.run', '{"sources":["dosc"]}')).toEqual({
      error: {
        name: 'InvalidInput',
        message: 'there is no source "dosc" in the configuration',
        hint: 'Did you mean docs?',
        retryable: false,
      },
    })
    expect(await scene.said(events.plan.due)).toEqual([])
  })

  test('asks for one that is there and one that is not: the answer says both', async () => {
    const { raw } = await visited()
    expect(await answer(raw, 'backup.run', '{"sources":["docs","dosc"]}')).toMatchObject({
      planned: [{ source: 'docs' }],
      rejected: [{ source: 'dosc', error: { hint: 'Did you mean docs?' } }],
    })
  })

  test('asks with garbage: one answer each that says what is wrong, and nothing is planned', async () => {
    const { scene, raw } = await visited()
    const garbage: [body: string | Uint8Array, message: string][] = [
      ['please', 'the request is not JSON (6 bytes)'],
      [randomBytes(1024 * 1024), 'the request is not JSON (1048576 bytes)'],
      ['[]', 'expected object'],
      ['{"source":"docs"}', 'source'],
      ['{"sources":[7]}', 'sources.0'],
      ['{"sources":["../docs"]}', '../docs'],
    ]
    for (const [body, message] of garbage) await refusal(raw, 'backup.run', body, message)
    expect(await scene.said(events.plan.due)).toEqual([])
  })

  test('with headers the error is there too, where NATS services keep it', async () => {
    const { raw } = await visited({ headers: true })
    const { headers, body } = only(await raw.request('backup.run', '{"sources":["dosc"]}'))
    expect(headers).toContain('Nats-Service-Error-Code: 400')
    expect(JSON.parse(body)).toMatchObject({ error: { hint: 'Did you mean docs?' } })
  })

  test('asks the other endpoints for what there is not: one answer each, an error', async () => {
    const { scene, raw } = await visited()
    await mkdir(scene.vault)
    const questions: [endpoint: string, body: string, message: string][] = [
      ['restore', '{"id":"docs-20200101T000000Z"}', 'no backup "docs-20200101T000000Z" in local, nas'],
      ['restore', '{"id":""}', 'id'],
      ['restore', '{"id":"docs-2020","to":"somewhere"}', 'no backup "docs-2020" in local, nas'],
      ['restore', '{"id":"docs-2020","vault":"nsa"}', 'there is no vault "nsa"'],
      ['verify', '{"id":"../../etc"}', 'no backup "../../etc"'],
      ['prune', '{"source":"dosc"}', 'there is no source "dosc"'],
    ]
    for (const [endpoint, body, message] of questions) await refusal(raw, `backup.${endpoint}`, body, message)
  })

  test('asks twice in one second: the second is told that it is planned, and one backup is made', async () => {
    const { scene, raw } = await visited()
    const other = await rawClient({ port: scene.server.port })
    onTestFinished(() => other[Symbol.asyncDispose]())
    await nextSecond()
    const answers = await Promise.all([answer(raw, 'backup.run', wish), answer(other, 'backup.run', wish)])
    const { id } = only(await scene.hears(events.plan.due))
    expect(answers).toContainEqual(expect.objectContaining({ planned: [expect.objectContaining({ id })] }))
    const message = `already planned as ${id} ("before upgrade")`
    expect(answers).toContainEqual({ error: expect.objectContaining({ message, retryable: false }) })
    await scene.hears(events.report.done)
    expect(Object.keys(await subjects(scene.cell, 'backup.report.done.>'))).toHaveLength(1)
  })
})
