import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { allEvents } from '../../bus/events.ts'
import { belowCli, breaches, everywhere, inProduct, isProduct, silencers } from './laws.ts'
import { DECLARING, roomOf, trespasses } from './layers.ts'
import { parse, paths, root, sources } from './tree.ts'

const house = sources()
const longest = 200

describe('the house', () => {
  test('imports run cli → functions → bus, infra, and drivers do not know each other', () => {
    expect(house.flatMap(trespasses)).toEqual([])
  })

  test('files say what they are about', () => {
    const vague = /(^|[-.])(utils?|helpers?|managers?|services?|misc|common)([-.]|$)/
    expect(paths().filter(path => roomOf(path) !== 'test' && vague.test(basename(path)))).toEqual([])
  })

  test(`no file is longer than ${longest} lines`, () => {
    const lengths = house.map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    expect(lengths.filter(({ lines }) => lines > longest)).toEqual([])
  })

  test.each(Object.entries(everywhere))('%s', (_name, law) => {
    expect(house.flatMap(file => breaches(file, law))).toEqual([])
  })

  test.each(Object.entries(inProduct))('%s', (_name, law) => {
    expect(house.filter(isProduct).flatMap(file => breaches(file, law))).toEqual([])
  })

  test.each(Object.entries(belowCli))('%s below the command line', (_name, law) => {
    const rooms = house.filter(file => isProduct(file) && roomOf(file.path) !== 'cli')
    expect(rooms.flatMap(file => breaches(file, law))).toEqual([])
  })

  test('no check is switched off', () => {
    const laws = /^test\/house\/(laws|architecture\.test)\.ts$/
    expect(house.filter(({ path }) => !laws.test(path)).flatMap(silencers)).toEqual([])
  })
})

describe('the functions', () => {
  const files = paths().filter(path => roomOf(path) === 'functions' && ![DECLARING, 'functions/index.ts'].includes(path))
  const index = house.find(({ path }) => path === 'functions/index.ts')

  test('the index lists every one of them, and nothing else lies beside them', () => {
    expect(index?.imports.filter(name => roomOf(name) === 'functions' && name !== DECLARING).sort()).toEqual(files)
    expect(files.filter(path => !/^functions\/[a-z]+\.ts$/.test(path))).toEqual([])
  })

  test('the first word of an event is the function that publishes it', () => {
    const steps = [...new Set(allEvents.map(({ step }) => step))]
    expect(steps.filter(step => !files.includes(`functions/${step}.ts`))).toEqual([])
  })

  test.each(files)('%s declares one function of its own name, which speaks for itself alone', async path => {
    const loaded: Record<string, unknown> = await import(join(root, path))
    const declared = new Set(Object.values(loaded).filter(isDeclaration))
    expect([...declared].map(({ name }) => name)).toEqual([basename(path, '.ts')])
    for (const { name, emits } of declared) expect(emits.map(stepOf).filter(step => step !== name && step !== 'tick')).toEqual([])
  })
})

describe('the laws see what they forbid', () => {
  const wrong = parse(
    'infra/sources/files.ts',
    `import { run } from '../../bus/serve.ts'
     import { sqlite } from './sqlite.ts'
     import { exec } from 'node:child_process'
     import { connect } from 'nats'
     const a: any = {} as unknown as string
     const b = run!('ls', { shell: true })
     try { connect() } catch (error) { log.warn(error) }
     try { console.log(exec, sqlite, a, b) } catch {}`,
  )

  test('imports', () => {
    expect(trespasses(wrong)).toEqual([
      'infra/sources/files.ts imports bus/serve.ts',
      'infra/sources/files.ts imports infra/sources/sqlite.ts',
      'infra/sources/files.ts imports nats',
    ])
  })

  test('code', () => {
    const laws = { ...everywhere, ...inProduct, ...belowCli }
    const found = Object.entries(laws).map(([name, law]) => [name, breaches(wrong, law).map(place => place.split(':')[1])])
    expect(Object.fromEntries(found)).toEqual({
      'no type `any`': ['5'],
      'no assertion on an assertion': ['5'],
      'no shell: commands are argument lists': ['3', '6'],
      'no empty catch': ['8'],
      'no assertion but `as const`': ['5'],
      'no non-null assertion': ['6'],
      'no catch that only logs': ['7'],
      'no console': ['8'],
    })
  })

  test('comments', () => {
    expect(silencers(parse('bus/a.ts', 'let a\n// @ts-ignore\na = 1 // biome-ignore lint: x'))).toEqual([
      'bus/a.ts:2',
      'bus/a.ts:3',
    ])
  })
})

function isDeclaration(value: unknown): value is { name: string; emits: readonly unknown[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'emits' in value &&
    Array.isArray(value.emits)
  )
}

/** Events are functions that carry their step; the tick, which anyone may publish, is a word. */
function stepOf(event: unknown): unknown {
  return typeof event === 'function' && 'step' in event ? event.step : event
}
