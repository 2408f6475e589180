import { expect, test } from 'vitest'
import { isName, refuseDestination } from '../../infra/destination.ts'
import { InvalidInput } from '../../infra/errors.ts'

const guests = { kind: 'vm', destination: 'name' } as const
const files = { kind: 'files' } as const

test.each([
  [guests, undefined, 'zeus-copy', true],
  [guests, undefined, 'zeus copy', true],
  [guests, undefined, '/srv/zeus', false],
  [guests, undefined, './zeus', false],
  [guests, undefined, '--all', false],
  [guests, undefined, '', false],
  [guests, 'vda', '/srv/vda.qcow2', true],
  [guests, 'vda', '~/vda.qcow2', true],
  [guests, 'vda', 'vda.qcow2', false],
  [files, undefined, '/srv/copy', true],
  [files, undefined, 'copy', false],
  [files, undefined, undefined, true],
] as const)('of %j, part %s, to %s: %s', (driver, part, to, fine) => {
  const ask = () => refuseDestination(driver, { to, part })
  if (fine) expect(ask).not.toThrow()
  else expect(ask).toThrow(InvalidInput)
})

test('a name is what is new beside the original; a part is only ever brought to a path', () => {
  expect([isName(guests, undefined), isName(guests, 'vda'), isName({}, undefined)]).toEqual([true, false, false])
})
