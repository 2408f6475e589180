import { expect, test } from 'vitest'
import { shownAddress } from '../../infra/addresses.ts'

test.each([
  ['http://ada:p@ss,word@db:8080/well', 'http://db:8080/well'],
  ['nats://token@a:4222,nats://u:p@b:4222', 'nats://a:4222,nats://b:4222'],
  ['http://db/well?key=PW#x', 'http://db/well?…#x'],
  ['http://db/@ada', 'http://db/@ada'],
])('%s is shown as %s', (address, shown) => {
  expect(shownAddress(address)).toBe(shown)
})
