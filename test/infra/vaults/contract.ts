/** What every vault must do, whatever kind it is, on the real thing. */
import { describe } from 'vitest'
import { bringing } from './bringing.ts'
import { keeping, listing } from './keeping.ts'
import type { OpenVault } from './opened.ts'

export function vaultContract(name: string, open: OpenVault): void {
  describe(`${name} vault`, () => {
    describe('put and get', () => bringing(open))
    describe('list', () => listing(open))
    describe('check, remove, annotate', () => keeping(open))
  })
}
