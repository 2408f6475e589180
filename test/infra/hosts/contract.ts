/** What every host must do, whatever driver reaches it. */
import { describe } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { commandContract } from './commands.ts'
import { fileContract } from './files.ts'
import { pipeContract } from './pipes.ts'

/** What a test gets: the host, and a directory that exists on it. */
export interface Place {
  host: Host
  directory: string
}

/** Opens the host for one test and lets go of it when the test ends. */
export type OpenPlace = () => Promise<Place>

export function hostContract(name: string, open: OpenPlace): void {
  describe(`${name} host`, () => {
    describe('commands', () => commandContract(open))
    describe('pipes', () => pipeContract(open))
    describe('files', () => fileContract(open))
  })
}

/** Names that a shell, a pattern or a careless program would take for something else. */
export const awkwardNames = [
  'with space',
  '-rf',
  '--help',
  "single ' quote",
  'double " quote',
  'new\nline',
  '$(touch hurt)',
  '`touch hurt`',
  '; touch hurt',
  'back\\slash',
  '*',
  '~',
  'tab\there',
  'ünïcode 💾',
  '%s %n',
]
