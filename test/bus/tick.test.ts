import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeTick, parseTick } from '../../bus/tick.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const json = (value: unknown) => bytes(JSON.stringify(value))
const event = { specversion: '1.0', id: '1', source: '/shop', type: 'com.shop.sold' }

describe('understood', () => {
  test.each([
    ['nothing at all', bytes(''), {}],
    ['an empty object', bytes(' {} '), {}],
    ['bare JSON', json({ sources: ['zeus'], reason: 'before upgrade', mode: 'live', keep: 'forever' }), undefined],
    ['a CloudEvent of a stranger, without data', json({ ...event, theirextension: 1 }), {}],
    [
      'a CloudEvent of a stranger, with data',
      json({ ...event, time: '2026-11-21T03:00:00+01:00', data: { sources: ['a'] } }),
      { sources: ['a'] },
    ],
  ])('%s', (_, message, data) => {
    expect(parseTick(message)).toEqual({ data: data ?? JSON.parse(new TextDecoder().decode(message)), clock: false })
  })

  test('the clock is known by its envelope, and only by it', () => {
    const options = { prefix: 'acme.backup', id: 'clock:1', time: new Date(0) }
    expect(parseTick(encodeTick({}, { ...options, speaker: 'clock' }))).toEqual({ data: {}, clock: true })
    expect(parseTick(encodeTick({ plans: ['nightly'] }, { ...options, speaker: 'trigger' }))).toEqual({
      data: { plans: ['nightly'] },
      clock: false,
    })
    expect(parseTick(json({ ...event, type: 'a.tick', source: 'urn:holdfast:b:clock' }))).toMatchObject({ clock: false })
  })
})

describe('not understood', () => {
  test.each([
    ['not JSON', bytes('back up zeus'), 'it is not JSON'],
    ['bytes', new Uint8Array([0xff, 0xfe, 0]), 'it is not JSON'],
    ['null', bytes('null'), 'it is null, not an object'],
    ['a list', bytes('["zeus"]'), 'it is a list, not an object'],
    ['a typo', json({ source: ['zeus'] }), 'unknown key "source"; did you mean sources?'],
    ['a wrong type', json({ sources: 'zeus' }), '"sources": Invalid input: expected array, received string'],
    ['a wrong type inside', json({ sources: ['zeus', 7] }), '"sources.1": Invalid input: expected string'],
    ['no source at all', json({ sources: [] }), '"sources"'],
    ['half a CloudEvent', json({ specversion: '1.0', type: 'x' }), 'as a CloudEvent, "id"'],
    ['a CloudEvent with data of its own', json({ ...event, data: { price: 3 } }), 'unknown key "price"'],
    ['a CloudEvent with text', json({ ...event, data: 'zeus' }), 'its data is a string, not an object'],
    ['a CloudEvent in base64', json({ ...event, data_base64: 'e30=' }), '"data_base64": is not understood here'],
    ['a prototype', bytes('{"__proto__":{"sources":["zeus"]}}'), 'unknown key "__proto__"'],
  ])('%s', (_, message, why) => {
    const tick = parseTick(message)
    expect(tick.error).toContain(why)
    expect(tick).toMatchObject({ input: expect.any(String) })
  })

  test('a megabyte of garbage is quoted to a kilobyte', () => {
    for (const garbage of [
      new Uint8Array(2 ** 20),
      bytes('['.repeat(2 ** 20)),
      bytes('\u{1F600}'.repeat(2 ** 18)),
      json({ sources: new Array(5e5).fill(1) }),
    ]) {
      const tick = parseTick(garbage)
      expect(tick.error).toContain('bytes; ticks end at 65536')
      expect(Buffer.byteLength('input' in tick ? tick.input : '')).toBeLessThanOrEqual(1024)
    }
  })

  test('what is quoted cannot command a terminal', () => {
    expect(parseTick(bytes('\u001b[2J\u202Ezeus'))).toMatchObject({ input: '\\u{1b}[2J\\u{202e}zeus' })
    expect(parseTick(json({ '\u001b]0;x': 1 })).error).toContain('unknown key "\\u{1b}]0;x"')
  })
})

test('nothing makes it throw', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.json().map(bytes),
    fc
      .record({ specversion: fc.constant('1.0'), id: fc.string(), source: fc.string(), type: fc.string(), data: fc.jsonValue() })
      .map(json),
  )
  fc.assert(
    fc.property(anything, message => {
      const tick = parseTick(message)
      if (tick.error !== undefined) expect(Buffer.byteLength(tick.input)).toBeLessThanOrEqual(1024)
    }),
  )
})
