import fc from 'fast-check'
import { expect, test } from 'vitest'
import { byteName, parsePrintable, printable, textOf } from '../../../infra/tools/byte-names.ts'

const bytes = fc.uint8Array({ min: 1 }).map(array => Buffer.from(array).toString('latin1'))

test('what is printable is one line of text and can be read again, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.oneof(bytes, fc.string({ unit: 'binary' }).map(byteName)), name => {
      expect(printable(name)).not.toMatch(/\p{Cc}/u)
      expect(parsePrintable(printable(name))).toBe(name)
    }),
  )
})

test.each([
  ['café', 'café'],
  ['new\nline', 'new\\nline'],
  ['back\\slash', 'back\\\\slash'],
])('%j is shown as %s', (text, shown) => {
  expect(printable(byteName(text))).toBe(shown)
  expect(textOf(byteName(text))).toBe(text)
})

test('bytes that are no text are shown as tar shows them', () => {
  expect(printable('caf\xe9')).toBe('caf\\351')
  expect(textOf('caf\xe9')).toBeUndefined()
})
