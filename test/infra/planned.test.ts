import { expect, test } from 'vitest'
import { lastSlot, newestDue, notePlanned } from '../../infra/planned.ts'
import { createTools } from '../../infra/tools.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { configurationOf } from '../services/house.ts'

function memory(entries: Record<string, string> = {}) {
  const kept = new Map(Object.entries(entries))
  return {
    kept,
    get: async (key: string) => (kept.has(key) ? { value: kept.get(key) ?? '' } : undefined),
    put: async (key: string, value: string) => void kept.set(key, value),
  }
}

const present = new Date('2026-11-21T12:00:00Z')

test('a slot that lies ahead of the present is not believed, and mended', async () => {
  const directory = await temporaryDirectory()
  const source = createTools(configurationOf({ directory, sources: { docs: { kind: 'files', options: {} } } })).source('docs')
  const planned = memory({ 'docs.nightly': '2027-11-21T02:00:00.000Z' })
  expect(await lastSlot(source, 'nightly', planned, present)).toBeUndefined()
  expect(await lastSlot(source, 'nightly', planned, present)).toEqual(present)
})

test('a due that lies ahead overtakes nobody, and the next one takes its place', async () => {
  const planned = memory({ '_due.docs': 'docs-20271121T020000Z' })
  expect(await newestDue('docs', planned, present)).toBeUndefined()
  await notePlanned({ source: 'docs', id: 'docs-20261121T115900Z' }, planned, present)
  expect(await newestDue('docs', planned, present)).toBe('docs-20261121T115900Z')
  await notePlanned({ source: 'docs', id: 'docs-20261120T115900Z' }, planned, present)
  expect(await newestDue('docs', planned, present)).toBe('docs-20261121T115900Z')
})
