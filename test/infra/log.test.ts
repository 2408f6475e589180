import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createLogger, withoutCredentials } from '../../infra/log.ts'

function written(pretty = false) {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  return { log: createLogger({ pretty, destination: stream }), text: () => chunks.join('') }
}

test('a line is one JSON object with a level in words and a time', () => {
  const { log, text } = written()
  log.child({ step: 'export' }).info({ backup: 'a-20261121T020000Z', ms: 12 }, 'done')
  expect(JSON.parse(text())).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T/),
    step: 'export',
    backup: 'a-20261121T020000Z',
    ms: 12,
    msg: 'done',
  })
  expect(text().endsWith('}\n')).toBe(true)
})

test.each([false, true])('secrets do not reach it, however deep (pretty: %s)', pretty => {
  const { log, text } = written(pretty)
  log
    .child({ token: 'hunter1' })
    .info({ password: 'hunter2', nats: { token: 'hunter3', more: { deep: { secret: 'hunter4' } } } }, 'x')
  log.error({ err: new Error('nats://hunter5@h:4222', { cause: new Error('https://me:hunter6@h/x') }) }, 'to nats://hunter7@h')
  expect(text()).toContain('[secret]')
  expect(text()).not.toContain('hunter')
})

test.each([
  ['nats://token@h:4222', 'nats://[secret]@h:4222'],
  ['nats://a:b@h1,nats://c@h2', 'nats://[secret]@h1,nats://[secret]@h2'],
  ['https://h/path@2x.png', 'https://h/path@2x.png'],
  ['tls://h:1 and me@there', 'tls://h:1 and me@there'],
  ['postgres://u:p@ss@h/db', 'postgres://[secret]@h/db'],
])('%s', (text, expected) => {
  expect(withoutCredentials(text)).toBe(expected)
})
