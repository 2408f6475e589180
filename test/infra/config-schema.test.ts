import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { jsonSchemaOf } from '../../infra/config/json-schema.ts'
import { Source, Vault } from '../../infra/config/schema.ts'
import { jsonSchema, readConfiguration } from '../../infra/config.ts'
import { sources } from '../../infra/sources/all.ts'
import { vaults } from '../../infra/vaults/all.ts'
import { kinds, whole } from './config-kinds.ts'

const shipped = new URL('../../holdfast.yaml', import.meta.url).pathname
const committed = new URL('../../holdfast.schema.json', import.meta.url)

test('the committed schema is the one of this code; if not: npx holdfast schema > holdfast.schema.json && npx biome format --write holdfast.schema.json', async () => {
  expect(JSON.parse(await readFile(committed, 'utf8'))).toEqual(jsonSchema())
})

test('the shipped configuration is valid, for us and for editors', async () => {
  const { sources } = await readConfiguration(shipped, { env: {} })
  expect(Object.values(sources).map(({ kind }) => kind)).toEqual(['files', 'sqlite'])
  const text = await readFile(shipped, 'utf8')
  expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./holdfast.schema.json')
  expect(z.fromJSONSchema(JSON.parse(await readFile(committed, 'utf8'))).safeParse(parse(text)).error).toBeUndefined()
})

test('the schema follows the kinds', () => {
  const schema = z.fromJSONSchema(jsonSchemaOf(kinds))
  const valid = (text: string) => schema.safeParse(parse(text)).success
  expect(valid(whole)).toBe(true)
  expect(valid(whole.replace('paths', 'pahts'))).toBe(false)
  expect(valid(whole.replace('kind: files', 'kind: sqlite'))).toBe(false)
  expect(valid(whole.replace('keep: { daily: 7 }', 'keep: { daily: many }'))).toBe(false)
  expect(valid(whole.replace('plan: nightly', 'plan: [a, b]'))).toBe(true)
})

test('every key explains itself', () => {
  const mute: string[] = []
  const look = (schema: unknown, path: string) => {
    if (typeof schema !== 'object' || schema === null) return
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'properties')
        mute.push(
          ...Object.keys(value)
            .filter(name => !value[name].description)
            .map(name => `${path}.${name}`),
        )
      look(value, key === 'properties' ? path : `${path}.${key}`)
    }
  }
  look(jsonSchema(), '')
  expect(mute).toEqual([])
})

test('no kind has an option by the name of a key that every member has', () => {
  const options = (kind: { kind: string; options: z.ZodType }) =>
    kind.options instanceof z.ZodObject ? Object.keys(kind.options.shape) : []
  const taken = (common: z.ZodObject, all: readonly { kind: string; options: z.ZodType }[]) =>
    all.flatMap(kind =>
      options(kind)
        .filter(name => name in common.shape)
        .map(name => `${kind.kind}.${name}`),
    )
  expect([...taken(Source, sources), ...taken(Vault, vaults)]).toEqual([])
})
