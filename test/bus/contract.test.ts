import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { chainOf, contractOf } from '../../bus/contract.ts'
import { encode, subjectOf } from '../../bus/event.ts'
import { allEvents, events } from '../../bus/events.ts'

const plan = { name: 'plan', on: 'tick' as const, emits: [events.plan.due, events.plan.rejected] }
const snapshot = { name: 'snapshot', on: [events.plan.due], emits: [events.snapshot.done, events.snapshot.skipped] }
const exporting = { name: 'export', on: [events.snapshot.done], emits: [events.export.done] }
const release = {
  name: 'release',
  on: [events.snapshot.failed, events.export.done, events.export.failed],
  emits: [events.release.done],
}
const replicate = { name: 'replicate', on: [events.verify.done], emits: [events.replicate.copied, events.replicate.done] }
const ask = { name: 'ask', on: 'requests' as const, emits: [events.ask.restore] }
const functions = [ask, plan, snapshot, exporting, release, replicate]

const Document = z.object({
  asyncapi: z.literal('3.0.0'),
  channels: z.record(
    z.string(),
    z.object({ address: z.string(), messages: z.record(z.string(), z.object({ $ref: z.string() })) }),
  ),
  operations: z.record(z.string(), z.object({ action: z.enum(['send', 'receive']), channel: z.object({ $ref: z.string() }) })),
  components: z.object({
    messages: z.record(z.string(), z.object({ payload: z.record(z.string(), z.unknown()) })),
    schemas: z.record(z.string(), z.unknown()),
  }),
})

describe('the contract', () => {
  const contract = contractOf(functions, { prefix: 'acme.backup', version: '1.2.3' })
  const { channels, operations, components } = Document.parse(contract)

  test('has a channel for the tick and for all that is said or taken, failures included', () => {
    const types = functions.flatMap(({ name, on, emits }) => [
      ...(typeof on === 'string' ? [] : on.map(({ type }) => type)),
      ...emits.map(({ type }) => type),
      ...allEvents.filter(({ type }) => type === `${name}.failed`).map(({ type }) => type),
    ])
    expect(Object.keys(channels).sort()).toEqual([...new Set(['tick', ...types])].sort())
    expect(channels['replicate.copied']?.address).toBe('acme.backup.replicate.copied.{host}.{source}.{id}.{vault}')
    expect(channels.tick?.address).toBe('acme.backup.tick')
  })

  test('says who sends and who receives', () => {
    expect(operations['release.receives.export.failed']).toMatchObject({
      action: 'receive',
      channel: { $ref: '#/channels/export.failed' },
    })
    expect(operations['export.sends.export.failed']?.action).toBe('send')
    expect(operations['plan.receives.tick']?.action).toBe('receive')
    expect(operations['ask.sends.tick']?.action).toBe('send')
    expect(operations['release.sends.export.done']).toBeUndefined()
  })

  test('is one JSON document whose every reference leads somewhere, and may be made twice', () => {
    const text = JSON.stringify(contract)
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(match => String(match[1]))
    expect(references.length).toBeGreaterThan(20)
    for (const reference of new Set(references)) expect(resolve(contract, reference), reference).toBeDefined()
    expect(JSON.stringify(contractOf(functions, { prefix: 'acme.backup', version: '1.2.3' }))).toBe(text)
  })

  test('describes what is really on the wire', () => {
    const data = { id: 'docs-20261121T020000Z', source: 'docs', host: 'local', released: ['stage'] }
    const fact = events.release.done(data)
    const bytes = encode(fact, { prefix: 'acme.backup', speaker: 'release', cause: '1', time: new Date() })
    const wire = z.record(z.string(), z.unknown()).parse(JSON.parse(new TextDecoder().decode(bytes)))
    const schema = z.fromJSONSchema(components.messages['release.done']?.payload ?? {})
    expect(schema.safeParse(wire).error).toBeUndefined()
    expect(schema.safeParse({ ...wire, type: 'acme.backup.release.failed' }).success).toBe(false)
    expect(schema.safeParse({ ...wire, data: { ...data, released: 'stage' } }).success).toBe(false)
    expect(subjectOf('acme.backup', fact)).toMatch(addressPattern(channels['release.done']?.address ?? ''))
  })

  test('describes bare ticks and those of strangers', () => {
    const schema = z.fromJSONSchema(components.messages.tick?.payload ?? {})
    for (const tick of [
      {},
      { sources: ['zeus'] },
      { specversion: '1.0', id: '1', source: '/x', type: 'y', data: { sources: ['zeus'] } },
    ])
      expect(schema.safeParse(tick).success, JSON.stringify(tick)).toBe(true)
    expect(schema.safeParse({ sources: 'zeus' }).success).toBe(false)
  })
})

describe('the chain', () => {
  test('as Mermaid', () => {
    expect(chainOf(functions).mermaid).toBe(`flowchart LR
  tick([tick])
  requests([requests]) --> ask_[ask]
  ask_[ask] --> tick
  tick --> plan_[plan]
  plan_[plan] -->|due| snapshot_[snapshot]
  snapshot_[snapshot] -->|done| export_[export]
  snapshot_[snapshot] -.->|failed| release_[release]
  export_[export] -->|done, failed| release_[release]
`)
  })

  test('as text', () => {
    const { text } = chainOf([plan, snapshot, exporting])
    expect(text).toContain(`snapshot
  takes  plan.due
  says   snapshot.done        ─► export
         snapshot.skipped
         snapshot.failed
`)
    expect(text).toContain('plan\n  takes  tick\n  says   plan.due             ─► snapshot\n')
  })
})

function resolve(document: unknown, reference: string): unknown {
  let place: unknown = document
  for (const key of reference.slice(2).split('/')) {
    place = typeof place === 'object' && place !== null ? Object.entries(place).find(([name]) => name === key)?.[1] : undefined
  }
  return place
}

function addressPattern(address: string): RegExp {
  return new RegExp(`^${address.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^.]+')}$`)
}
